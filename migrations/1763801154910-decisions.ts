import type { MigrationInterface, QueryRunner } from 'typeorm';
import { COUNTED } from './1763800006100-usage-rollups.ts';
import { LOCKS } from './1763800003000-call-attempts.ts';
import { olderSettle, SETTLED } from './1763801143600-limits.ts';
import { SETTLE } from './1763801152100-corrections.ts';

/** How the account of each attempt was chosen, and what it came to that sessions spilled over to other accounts. */
export class Decisions1763801154910 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(LOCKS);
    await runner.query(`
      lock table ledger in access exclusive mode;
      -- Null: nobody knows.
      alter table ledger add column decision jsonb;
      alter table usage_hours
        add column spilled bigint not null default 0, add column spill_cost_nanos numeric not null default 0;
      alter table usage_days
        add column spilled bigint not null default 0, add column spill_cost_nanos numeric not null default 0;
    `);
    await runner.query(
      changed(COUNTED, [
        ['create view', 'create or replace view'],
        [COST, COST + SPILLS],
      ]),
    );
    await runner.query(SETTLE_DECIDED);
    await runner.query(OLD_SETTLE);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(LOCKS);
    await runner.query(`
      lock table ledger in access exclusive mode;
      drop function settle(${SETTLED}, boolean[], text[], text[]);
      drop function settle(${SETTLED}, boolean[], text[]);
      drop view counted_attempts;
      alter table usage_days drop column spilled, drop column spill_cost_nanos;
      alter table usage_hours drop column spilled, drop column spill_cost_nanos;
      alter table ledger drop column decision;
    `);
    await runner.query(COUNTED);
    await runner.query(SETTLE);
  }
}

const COST = 'coalesce(l.cost_nanos, 0) as cost_nanos';
const SPILLED = "(l.decision -> 'affinity' ->> 'result' = 'spill') is true";
const SPILLS = `,
           (${SPILLED})::integer as spilled,
           case when ${SPILLED} then coalesce(l.cost_nanos, 0) else 0 end as spill_cost_nanos`;

/** As before, with the decision of each attempt, a JSON object as text. */
export const SETTLE_DECIDED = changed(SETTLE, [
  ['p_final boolean[], p_teams text[]', 'p_final boolean[], p_teams text[], p_decisions text[]'],
  ['p_upstream_ids, p_client_ids, p_teams', 'p_upstream_ids, p_client_ids, p_teams, p_decisions', 2],
  ['upstream_id, client_id, teams', 'upstream_id, client_id, teams, decision', 2],
  ['client_request_id, teams)', 'client_request_id, teams, decision)'],
  ['x.teams::uuid[]', 'x.teams::uuid[], x.decision::jsonb'],
  [
    'client_request_id = x.client_id\n          from due',
    `client_request_id = x.client_id,
            decision = coalesce(x.decision::jsonb, l.decision)
          from due`,
  ],
]);

/** As replicas call it that know nothing of decisions. */
const OLD_SETTLE = olderSettle('p_final', ', p_final boolean[], p_teams text[]').replace(
  /p_final,\s*\(select[^;]*\);/,
  'p_final, p_teams, array_fill(null::text, array[cardinality(p_ids)]));',
);

/** @throws Error where the text is not what this changes: each of `from` is there as often as it says, else once */
export function changed(
  text: string,
  changes: readonly (readonly [from: string, to: string, times?: number])[],
): string {
  return changes.reduce((was, [from, to, times = 1]) => {
    if (was.split(from).length !== times + 1) throw new Error(`Not ${times} times there: ${from}`);
    return was.replaceAll(from, () => to);
  }, text);
}
