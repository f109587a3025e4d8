import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * A plan made while the table was empty reads the whole of it for each join, and stays until Postgres next analyzes
 * the table: a minute, in which thousands of sessions may have come. Joins that look rows up by their ids cost the same always.
 */
export class BindingsById1763801300450 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `alter function ${BIND_SESSIONS} set enable_hashjoin = off set enable_mergejoin = off`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`alter function ${BIND_SESSIONS} reset enable_hashjoin reset enable_mergejoin`);
  }
}

const BIND_SESSIONS = 'bind_sessions(uuid[], uuid[], integer[], uuid[], boolean[], text[], boolean)';
