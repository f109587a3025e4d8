import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The machine that an epoch runs on, as it calls itself; null where an older build registered it. */
export class ReplicaHost1763801154800 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('alter table replicas add column host text');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table replicas drop column host');
  }
}
