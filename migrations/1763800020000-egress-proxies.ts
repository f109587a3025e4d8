import type { MigrationInterface, QueryRunner } from 'typeorm';

/** An account's egress proxy as it may be shown; the URL itself is sealed with the credential. */
export class EgressProxies1763800020000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`alter table accounts add column shown_proxy_url text`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`alter table accounts drop column shown_proxy_url`);
  }
}
