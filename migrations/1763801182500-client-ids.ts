import type { MigrationInterface, QueryRunner } from 'typeorm';
import { LOCKS } from './1763800003000-call-attempts.ts';
import { ADMIT as ADMIT_BEFORE } from './1763801153100-headroom.ts';
import { ADMIT as ADMIT_BOUND_BEFORE } from './1763801154900-bindings.ts';
import { changed } from './1763801154910-decisions.ts';

/**
 * A call's open row has the id that its client gave it, so that a call whose replica dies can be found by it: the
 * sweeper writes it into the ledger with what else the row says. The signatures before go on, without it.
 *
 * Admission reads the line of teams above its keys in more than one statement, each in a snapshot of its own. None of
 * them differs from the one before in that line: a team moves, and a key changes its team, only under the locks of
 * \`key_state\` that admission has by then (\`holdAdmissions\`; the trigger on \`api_keys\`), and every key has its row there
 * from the transaction that made it. Limits are read in one statement only, under the locks of the teams' counters: an
 * edit of them that commits after that is as good as one after the whole admission, which takes nothing back either.
 */
export class ClientIds1763801182500 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(LOCKS);
    await runner.query(`drop function admit_bound(${BOUND}); drop function admit(${ADMITTED})`);
    await runner.query(ADMIT);
    await runner.query(ADMIT_BOUND);
    await runner.query(OLDER);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(LOCKS);
    await runner.query(`
      drop function admit_bound(${BOUND}); drop function admit(${ADMITTED});
      drop function admit_bound(${BOUND}, text[]); drop function admit(${ADMITTED}, text[]);
    `);
    await runner.query(ADMIT_BEFORE);
    await runner.query(ADMIT_BOUND_BEFORE);
  }
}

/** Types of the arguments as they were. */
const ADMITTED = `uuid, integer, uuid[], uuid[], text[], text[], integer[], integer[], integer[], bigint[], integer[],
  integer[], boolean[], uuid[], integer[], bigint[], boolean[], integer[], text[], text[], integer[], bigint[], bigint[],
  boolean`;
const BOUND = `${ADMITTED}, uuid[]`;

/** \`p_client_ids\` is null where no request has one: it is the shorter array of the unnesting, and nulls fill it up. */
export const ADMIT = changed(ADMIT_BEFORE, [
  ['create or replace function admit(', 'create function admit('],
  ['p_probes boolean\n  ) returns', 'p_probes boolean, p_client_ids text[]\n  ) returns'],
  ['hold_nanos, hold_tokens, teams)', 'hold_nanos, hold_tokens, teams, client_request_id)'],
  ["coalesce(k_path[x.key]::uuid[], '{}')\n", "coalesce(k_path[x.key]::uuid[], '{}'), x.client_id\n"],
  ['p_models, p_hold_nanos, v_held)', 'p_models, p_hold_nanos, v_held, p_client_ids)'],
  ['model, hold_nanos, hold_tokens)\n', 'model, hold_nanos, hold_tokens, client_id)\n'],
]);

export const ADMIT_BOUND = changed(ADMIT_BOUND_BEFORE, [
  ['p_sessions uuid[]\n  ) returns', 'p_sessions uuid[], p_client_ids text[]\n  ) returns'],
  ['p_hold_nanos, p_hold_tokens, p_probes);', 'p_hold_nanos, p_hold_tokens, p_probes, p_client_ids);', 2],
]);

function places(count: number): string {
  return Array.from({ length: count }, (_, at) => `$${at + 1}`).join(', ');
}

const OLDER = `
  create function admit(${ADMITTED}) returns text language sql as $$ select admit(${places(24)}, null) $$;
  create function admit_bound(${BOUND}) returns text language sql as $$ select admit_bound(${places(25)}, null) $$;
`;
