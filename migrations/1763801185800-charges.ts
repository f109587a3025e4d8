import type { MigrationInterface, QueryRunner } from 'typeorm';
import { LOCKS } from './1763800003000-call-attempts.ts';
import { MOST_NANOS, SETTLED } from './1763801143600-limits.ts';
import { SWEEP as SWEEP_BEFORE } from './1763801152100-corrections.ts';
import { changed, SETTLE_DECIDED } from './1763801154910-decisions.ts';

/**
 * What an attempt is charged while its cost is not known, so that a budget is kept of it, too: the settlement says the
 * most that its usage may have cost, and where that cannot be told either, it is what the call held. With the cost comes
 * the charge of it in its place. Attempts that were booked without a cost before were charged nothing, and are so still.
 *
 * \`written_off_nanos\` said the same of orphans as their cost, and nobody read it since corrections know what they
 * take the place of.
 */
export class Charges1763801185800 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(LOCKS);
    await runner.query(`
      lock table ledger in access exclusive mode;
      alter table ledger drop column written_off_nanos, add column charged_nanos bigint;
      drop function settle(${DECIDED});
    `);
    await runner.query(SETTLE);
    await runner.query(OLDER_SETTLE);
    await runner.query(SWEEP);
    await runner.query(chargedAttempts('l.cost_nanos, l.charged_nanos, 0'));
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(LOCKS);
    await runner.query('lock table ledger in access exclusive mode');
    await runner.query(chargedAttempts('l.cost_nanos, 0'));
    await runner.query(`
      drop function settle(${DECIDED}, bigint[]); drop function settle(${DECIDED});
      alter table ledger drop column charged_nanos, add column written_off_nanos bigint;
    `);
    await runner.query(SETTLE_DECIDED);
    await runner.query(SWEEP_BEFORE);
  }
}

/** Types of the arguments of \`settle\` as they were. */
const DECIDED = `${SETTLED}, boolean[], text[], text[]`;

export const SETTLE = changed(SETTLE_DECIDED, [
  ['p_teams text[], p_decisions text[]', 'p_teams text[], p_decisions text[], p_charged bigint[]'],
  ['p_client_ids, p_teams, p_decisions', 'p_client_ids, p_teams, p_decisions, p_charged', 2],
  ['upstream_id, client_id, teams, decision', 'upstream_id, client_id, teams, decision, charged', 2],
  ['client_request_id, teams, decision)', 'client_request_id, teams, decision, charged_nanos)'],
  [
    'x.teams::uuid[], x.decision::jsonb',
    `x.teams::uuid[], x.decision::jsonb,
             case when x.cost is null and x.outcome <> 'orphaned' then coalesce(
               x.charged, (select o.hold_nanos from open_calls o where o.request_id = x.id), 0) end`,
  ],
  [
    'cost_nanos = x.cost, price_id',
    `cost_nanos = x.cost,
            charged_nanos = case when x.cost is null then coalesce(x.charged, l.cost_nanos, l.charged_nanos) end,
            price_id`,
  ],
  ['least(coalesce(l.cost_nanos, 0), ', 'least(coalesce(l.cost_nanos, l.charged_nanos, 0), ', 3],
]);

/** As replicas call it that know only what has a cost: for the rest, the hold is charged. */
const OLDER_SETTLE = `
  create function settle(${DECIDED}) returns integer[] language sql as $$
    select settle(${DECIDED.split(',')
      .map((_, at) => `$${at + 1}`)
      .join(', ')}, null)
  $$;
`;

const SWEEP = changed(SWEEP_BEFORE, [
  ['cost_nanos, written_off_nanos, duration_ms', 'cost_nanos, duration_ms'],
  ['h.nanos, h.nanos,', 'h.nanos,'],
]);

function chargedAttempts(nanos: string): string {
  return `
  create or replace view charged_attempts as
    select l.request_id, l.admitted_at, h.id as holder, (l.admitted_at at time zone 'UTC')::date as day,
           least(coalesce(${nanos}), ${MOST_NANOS})::numeric as nanos
      from ledger l cross join lateral unnest(l.key_id || l.teams) h (id);
  `;
}
