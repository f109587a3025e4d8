import type { MigrationInterface, QueryRunner } from 'typeorm';
import { LOCKS } from './1763800003000-call-attempts.ts';
import { changed } from './1763801154910-decisions.ts';
import { ADMIT as ADMIT_BEFORE, ADMIT_BOUND as ADMIT_BOUND_BEFORE } from './1763801182500-client-ids.ts';

/**
 * A caller may ask with the best of a pool instead of all of it, and say so by request (\`p_short\`). A session's account
 * may be one that it left out: then nothing is taken, the answer is -14, and the field of bound accounts says which.
 * The signature before goes on, and asks with all.
 */
export class ShortLists1763801212100 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(LOCKS);
    await runner.query(`drop function admit_bound(${BOUND})`);
    await runner.query(ADMIT.replace('create function', 'create or replace function'));
    await runner.query(ADMIT_BOUND);
    await runner.query(OLDER);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(LOCKS);
    await runner.query(`drop function admit_bound(${BOUND}); drop function admit_bound(${BOUND}, boolean[])`);
    await runner.query(ADMIT_BEFORE.replace('create function', 'create or replace function'));
    await runner.query(ADMIT_BOUND_BEFORE);
  }
}

/** Types of the arguments as they were. */
const BOUND = `uuid, integer, uuid[], uuid[], text[], text[], integer[], integer[], integer[], bigint[], integer[],
  integer[], boolean[], uuid[], integer[], bigint[], boolean[], integer[], text[], text[], integer[], bigint[], bigint[],
  boolean, uuid[], text[]`;

const LOCKED = `
    select array_agg(s.id), array_agg(s.in_use), array_agg(s.last_used), array_agg(s.version), array_agg(s.enabled),
           array_agg(s.places), array_agg(s.priority), array_agg(s.weight), array_agg(s.in_use::float8 / s.weight),
           array_agg(s.lean), bool_or(s.lean is not null)
      into v_found, a_places, a_last, a_version, a_enabled, a_max, a_priority, a_weight, a_load, a_lean, v_lean
      from (select s.id, s.in_use, s.last_used, s.lean, case when q.deleted_at is null then q.version end as version,
                   q.enabled, nullif(q.max_concurrency, 0) as places, q.priority, q.weight
              from account_state s join accounts q using (id)
              where s.id = any (p_accounts) order by s.id for no key update of s) s;`.trim();

/**
 * What a request prefers may be -1: an account that it was not asked with. And the accounts' rows, which are locked in
 * the order of the ids that came, are not joined to these ids unless one is missing: without a hash that is quadratic,
 * a second for a thousand accounts.
 */
export const ADMIT = changed(ADMIT_BEFORE, [
  ['    v_cooling timestamptz[];\n', '    v_cooling timestamptz[]; v_found uuid[];\n'],
  [
    '    v_again := false;\n    loop\n      select array_agg(s.in_use), array_agg(s.last_used)',
    `    ${LOCKED}
    v_again := false;
    while v_found is distinct from p_accounts loop
      select array_agg(s.in_use), array_agg(s.last_used)`,
  ],
  [
    '      if k_usable[k] is not true or k_expires[k] <= v_now then\n',
    `      if p_prefer[i] < 0 then
        v_answer := -14;
      elsif k_usable[k] is not true or k_expires[k] <= v_now then
`,
  ],
]);

export const ADMIT_BOUND = changed(ADMIT_BOUND_BEFORE, [
  ['p_client_ids text[]\n  ) returns', 'p_client_ids text[], p_short boolean[]\n  ) returns'],
  [
    '        v_prefer[i] := coalesce(array_position(p_accounts, v_bound[i]), 0);\n',
    `        v_prefer[i] := coalesce(array_position(p_accounts, v_bound[i]), 0);
        if p_short[i] and array_position(c_account[p_set_from[p_set[i]] : p_set_to[p_set[i]]], v_prefer[i]) is null then
          v_prefer[i] := -1;
        end if;
`,
  ],
]);

const OLDER = `
  create function admit_bound(${BOUND}) returns text language sql as $$
    select admit_bound(${Array.from({ length: 26 }, (_, at) => `$${at + 1}`).join(', ')}, null) $$;
`;
