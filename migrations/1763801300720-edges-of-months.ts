import type { MigrationInterface, QueryRunner } from 'typeorm';
import { RETENTION_OF_BOTH } from './1763801154500-proof-of-limits.ts';
import { changed } from './1763801154910-decisions.ts';

/**
 * An attempt whose id is of one month may be admitted in the next: it came a moment before midnight, or its replica's
 * clock was behind. When the first month is dropped it stays, in the default partition, and is summed with the second.
 * When that one is dropped it goes now as well. Where it stayed, it was taken for one that was settled late, which is
 * in no sum, and counted twice by reports and by the proof, which then repaired what was right.
 */
export class EdgesOfMonths1763801300720 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      changed(RETENTION_OF_BOTH, [
        [
          "      execute format('drop table %I', v_name);\n",
          `      execute format('drop table %I', v_name);
      delete from ledger where request_id < uuidv7_floor(v_end) and admitted_at < v_end and admitted_at >= coalesce(
        (select value::timestamptz from settings where name = 'ledger-dropped-until'), '-infinity');
`,
        ],
      ]),
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(RETENTION_OF_BOTH);
  }
}
