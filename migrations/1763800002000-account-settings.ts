import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Fields of a credential that are no secrets and are needed to find the upstream (a region): readable, unlike the rest. */
export class AccountSettings1763800002000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`alter table accounts add column settings jsonb not null default '{}'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`alter table accounts drop column settings`);
  }
}
