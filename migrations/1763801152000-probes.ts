import type { MigrationInterface, QueryRunner } from 'typeorm';
import { LOCKS } from './1763800003000-call-attempts.ts';
import { COOL } from './1763800010000-account-health.ts';
import { ADMIT as ADMIT_BEFORE, MOVE as MOVE_BEFORE } from './1763801143700-limited-admission.ts';

/**
 * The first call after a cooldown is a probe. Of an account whose cooldown is over but not proven (`proven_at`), one
 * call at a time is let in, and claims it for thirty seconds (`probe_until`): one that hangs locks the account out no
 * longer. To the others the account is full meanwhile. Counting tokens neither probes nor is kept out: it has limits
 * of its own.
 *
 * The signatures before go on as they were, without probes: their builds would prove nothing.
 */
export class Probes1763801152000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(LOCKS);
    await runner.query(CLAIM);
    await runner.query(ADMIT);
    await runner.query(MOVE);
    await runner.query(BEFORE);
    await runner.query(ORDERLY_COOL);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(LOCKS);
    await runner.query(`
      drop function admit(${ADMITTED}, boolean), admit(${ADMITTED});
      drop function move_attempt(${MOVED}, boolean), move_attempt(${MOVED});
      drop function claim_probe;
    `);
    await runner.query(ADMIT_BEFORE);
    await runner.query(MOVE_BEFORE);
    await runner.query(COOL.replaceAll('create function', 'create or replace function'));
  }
}

/** Types of the arguments of `admit` and `move_attempt` as they were. */
const ADMITTED = `uuid, integer, uuid[], uuid[], text[], text[], integer[], integer[], integer[], bigint[], integer[],
  integer[], boolean[], uuid[], integer[], bigint[], boolean[], integer[], text[], text[], integer[], bigint[], bigint[]`;
const MOVED = `uuid, integer, uuid, smallint, bigint, uuid[], text[], bigint[], integer[], text[], boolean[], uuid`;

/** @throws Error where the text before is not what this changes */
export function changed(text: string, changes: readonly (readonly [from: string, to: string])[]): string {
  return changes.reduce((now, [from, to]) => {
    if (now.split(from).length !== 2) throw new Error(`Not there once: ${from}`);
    return now.replace(from, () => to);
  }, text);
}

/**
 * One row of each account: that of the whole account where there is one, since it keeps every model waiting. Admission
 * has the account's row locked, so that nobody else claims at the same time. Answers whether there was one to claim.
 */
const CLAIM = `
  create function claim_probe(p_account uuid, p_family text, p_now timestamptz) returns boolean language sql as $$
    with claimed as (
      update cooldowns set probe_until = p_now + interval '30 seconds'
        where id = (select d.id from cooldowns d
                      where d.account_id = p_account and d.proven_at is null and d.until <= p_now
                        and (d.model_family is null or d.model_family = p_family)
                      order by d.model_family nulls first, d.until desc limit 1)
        returning id
    )
    select exists (select from claimed)
  $$;
`;

/**
 * `v_probe` has for each account and family: 0 proven, 1 to be probed for the family, 3 as a whole, 2 being probed.
 * Answer as before, and behind it, where there are any, the positions of the requests that are probes.
 */
export const ADMIT = changed(ADMIT_BEFORE, [
  [
    'p_hold_nanos bigint[], p_hold_tokens bigint[]\n  ) returns',
    'p_hold_nanos bigint[], p_hold_tokens bigint[], p_probes boolean\n  ) returns',
  ],
  [
    '    v_cooldown record;\n',
    `    v_cooldown record;
    v_probe integer[]; u_spot integer[]; v_spot integer; v_probing text := '';
    r_account uuid[]; r_family text[];
`,
  ],
  [
    '    for s in 1 .. cardinality(p_set_from) loop\n',
    `    if p_probes and exists (select from cooldowns
                            where account_id = any (p_accounts) and proven_at is null and until <= v_now) then
      v_probe := array_fill(0, array[cardinality(p_accounts) * v_families]);
      for v_cooldown in
        select c.pos::integer as account, f.pos::integer as family,
               case when bool_or(d.probe_until > v_now) then 2 when bool_or(d.model_family is null) then 3 else 1 end as state
          from unnest(p_accounts) with ordinality c (id, pos)
          join cooldowns d on d.account_id = c.id and d.proven_at is null and d.until <= v_now
          join unnest(p_families) with ordinality f (name, pos) on d.model_family is null or d.model_family = f.name
          group by 1, 2
      loop
        v_probe[(v_cooldown.account - 1) * v_families + v_cooldown.family] := v_cooldown.state;
      end loop;
    end if;

    for s in 1 .. cardinality(p_set_from) loop
`,
  ],
  [
    '            u_tier[v_usable] := c_tier[c];\n',
    `            u_tier[v_usable] := c_tier[c];
            u_spot[v_usable] := (a - 1) * v_families + c_family[c];
`,
  ],
  [
    'if (v_count or a_max[a] is null or a_places[a] < a_max[a]) and (not v_pick or u_priced[c]) then\n',
    `if (v_count or ((a_max[a] is null or a_places[a] < a_max[a]) and v_probe[u_spot[c]] is distinct from 2))
                 and (not v_pick or u_priced[c]) then
                v_spot := u_spot[c];
`,
  ],
  [
    'if a_places[a] >= a_max[a] and not v_count then\n',
    'if not v_count and (a_places[a] >= a_max[a] or v_probe[u_spot[c]] = 2) then\n',
  ],
  [
    '              b_tier := u_tier[c];\n',
    '              b_tier := u_tier[c];\n              v_spot := u_spot[c];\n',
  ],
  [
    '            h_in_use[k] := h_in_use[k] + 1;\n',
    `            h_in_use[k] := h_in_use[k] + 1;
            if v_probe[v_spot] > 0 then
              v_probing := v_probing || ',' || i;
              r_account := r_account || p_accounts[v_answer];
              r_family := r_family || p_families[v_spot - (v_answer - 1) * v_families];
              if v_probe[v_spot] = 3 then
                for f in (v_answer - 1) * v_families + 1 .. v_answer * v_families loop
                  v_probe[f] := 2;
                end loop;
              else
                v_probe[v_spot] := 2;
              end if;
            end if;
`,
  ],
  [
    '    if v_any then\n      if v_teams',
    `    if r_account is not null then
      perform 1 from cooldowns where account_id = any (r_account) and proven_at is null and until <= v_now
        order by id for no key update;
      perform claim_probe(x.account, x.family, v_now) from unnest(r_account, r_family) x (account, family);
    end if;
    if v_any then
      if v_teams`,
  ],
  [
    "      || coalesce(array_to_string(k_path, '|'), '');\n",
    `      || coalesce(array_to_string(k_path, '|'), '')
      || case when v_probing = '' then '' else ';' || substr(v_probing, 2) end;
`,
  ],
]);

/** As before; the answer of an attempt that is a probe begins with \`*\` instead of \`+\`. */
export const MOVE = changed(MOVE_BEFORE, [
  ['p_priced boolean[], p_prefer uuid\n', 'p_priced boolean[], p_prefer uuid, p_probes boolean\n'],
  [
    '                        where x.account_id = d.account_id and x.version > d.credentials_version))) as until\n',
    `                        where x.account_id = d.account_id and x.version > d.credentials_version))) as until,
               p_probes and exists (
                 select from cooldowns d
                   where d.account_id = c.id and d.proven_at is null and d.until <= v_now and d.probe_until > v_now
                     and (d.model_family is null or d.model_family = c.family)) as probed
`,
  ],
  [
    'v_generate and c.in_use >= c.places is true as no_room',
    'v_generate and (coalesce(c.in_use >= c.places, false) or c.probed) as no_room',
  ],
  [
    "        where request_id = p_id;\n      return '+' || v_chosen;\n",
    `        where request_id = p_id;
      return case when p_probes and v_generate
                    and claim_probe(v_chosen, p_families[array_position(p_accounts, v_chosen)], v_now)
                  then '*' else '+' end || v_chosen;
`,
  ],
]);

function places(count: number): string {
  return Array.from({ length: count }, (_, at) => `$${at + 1}`).join(', ');
}

const BEFORE = `
  drop function admit(${ADMITTED}), move_attempt(${MOVED});
  create function admit(${ADMITTED}) returns text language sql as $$ select admit(${places(23)}, false) $$;
  create function move_attempt(${MOVED}) returns text language sql
    as $$ select move_attempt(${places(12)}, false) $$;
`;

/** As before, with its rows locked in order, as whoever proves an account does. */
export const ORDERLY_COOL = changed(COOL.slice(COOL.indexOf('create function cool_account')), [
  ['create function cool_account', 'create or replace function cool_account'],
  [
    '    update cooldowns c set proven_at = v_now\n',
    `    perform 1 from cooldowns c
      where c.account_id = p_account and c.until <= v_now and c.proven_at is null order by c.id for no key update;
    update cooldowns c set proven_at = v_now
`,
  ],
]);
