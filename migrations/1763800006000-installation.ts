import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * An id that is made once for a database and goes with every copy of it: what replicas leave on disks beside it is
 * known by that id, so that two installations may share a folder.
 */
export class Installation1763800006000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`insert into settings (name, value) values ('installation', gen_random_uuid()::text)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`delete from settings where name = 'installation'`);
  }
}
