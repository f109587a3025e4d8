import type { MigrationInterface, QueryRunner } from 'typeorm';
import { LOCKS } from './1763800003000-call-attempts.ts';
import { changed } from './1763801154910-decisions.ts';
import { ADMIT as ADMIT_BEFORE, replaced } from './1763801300470-lean-bindings.ts';

/**
 * Decides as before, with fewer expressions. PL/pgSQL makes each expression ready anew in every transaction, which for an
 * admission alone costs more than its statements do: the candidates that can serve are no longer copied into arrays of
 * their own, the best so far is remembered by its place alone, and what only limits, rests or probes need is not
 * computed without them. A seventh less for one request in a statement.
 */
export class FewerExpressions1763801400000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(LOCKS);
    await runner.query(replaced(ADMIT));
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(LOCKS);
    await runner.query(replaced(ADMIT_BEFORE));
  }
}

/**
 * Which accounts rest or are to be proven, and of the candidates: `c_out`, it cannot serve now; `c_lean`, it is near a
 * limit. Both are null where that is not so.
 */
const CANDIDATES = `    select exists (select from cooldowns where account_id = any (p_accounts) and until > v_now),
           p_probes and exists (select from cooldowns
                                where account_id = any (p_accounts) and proven_at is null and until <= v_now)
      into v_resting, v_unproven;

    if v_resting then
      v_cooling := array_fill(null::timestamptz, array[cardinality(p_accounts) * v_families]);
      for v_cooldown in
        select c.pos::integer as account, f.pos::integer as family, max(d.until) as until
          from unnest(p_accounts) with ordinality c (id, pos)
          join cooldowns d on d.account_id = c.id and d.until > v_now
          join unnest(p_families) with ordinality f (name, pos) on d.model_family is null or d.model_family = f.name
          where d.credentials_version is null or not exists (
            select from account_credentials x where x.account_id = d.account_id and x.version > d.credentials_version)
          group by 1, 2
      loop
        v_cooling[(v_cooldown.account - 1) * v_families + v_cooldown.family] := v_cooldown.until;
      end loop;
    end if;

    if v_unproven then
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
      for c in p_set_from[s] .. p_set_to[s] loop
        a := c_account[c];
        if a_version[a] is distinct from c_version[c] then
          s_stale[s] := true;
        elsif a_enabled[a] and v_cooling[(a - 1) * v_families + c_family[c]] is null then
          if v_lean or not c_priced[c] then
            c_lean[c] := v_lean and coalesce((a_lean[a] ->> p_families[c_family[c]])::bigint > v_us, false);
            if not c_priced[c] then s_unpriced[s] := true; end if;
          end if;
        else
          c_out[c] := true;
          if a_enabled[a] then
            s_soonest[s] := least(s_soonest[s], v_cooling[(a - 1) * v_families + c_family[c]]);
          end if;
        end if;
      end loop;
    end loop;

`;

/** `v_best`: the candidate that is taken, whose account is `v_answer`. */
const CHOICE = `        if p_prefer[i] > 0 then
          for c in p_set_from[v_set] .. p_set_to[v_set] loop
            if c_account[c] = p_prefer[i] then
              a := c_account[c];
              if c_out[c] is null
                 and (v_count or ((a_max[a] is null or a_places[a] < a_max[a])
                                  and v_probe[(a - 1) * v_families + c_family[c]] is distinct from 2))
                 and (not v_pick or c_priced[c]) then
                if c_lean[c] then
                  v_kept := c;
                else
                  v_best := c;
                  v_answer := a;
                end if;
              end if;
              exit;
            end if;
          end loop;
        end if;
        if v_answer = 0 then
          for c in p_set_from[v_set] .. p_set_to[v_set] loop
            continue when c_out[c];
            a := c_account[c];
            if not v_count and (a_places[a] >= a_max[a] or v_probe[(a - 1) * v_families + c_family[c]] = 2) then
              v_full := v_full or not v_pick or c_priced[c];
            elsif (v_answer = 0 or (c_tier[c], c_lean[c] is true, a_priority[a], a_load[a], a_last[a])
                                   < (c_tier[v_best], c_lean[v_best] is true, a_priority[v_answer], a_load[v_answer],
                                      a_last[v_answer])) and (not v_pick or c_priced[c]) then
              v_answer := a;
              v_best := c;
            end if;
          end loop;
        end if;

        if v_kept > 0 and c_lean[v_best] and c_tier[v_kept] = c_tier[v_best] then
          v_answer := c_account[v_kept];
          v_best := v_kept;
        end if;

`;

const ADMIT = changed(
  between(
    between(
      ADMIT_BEFORE,
      ['    for v_cooldown in\n      select c.pos', '    for i in 1 .. card'],
      CANDIDATES,
    ),
    ['        if p_prefer[i] > 0 then\n', '        if v_answer > 0 then\n          v_any := true;\n'],
    CHOICE,
  ),
  [
    ['    v_again boolean := false;\n', '    v_again boolean; v_once_more boolean;\n'],
    [
      `    s_from integer[]; s_to integer[]; s_stale boolean[]; s_unpriced boolean[]; s_soonest timestamptz[];
    u_account integer[]; u_tier integer[]; u_priced boolean[]; v_usable integer := 0;
`,
      `    s_stale boolean[]; s_unpriced boolean[]; s_soonest timestamptz[]; c_out boolean[]; c_lean boolean[];
`,
    ],
    [
      `    v_cooldown record;
    a_lean jsonb[]; u_lean boolean[]; v_lean boolean; b_lean boolean; v_kept integer;
    v_probe integer[]; u_spot integer[]; v_spot integer; v_probing text := '';
`,
      `    v_cooldown record; v_resting boolean; v_unproven boolean;
    a_lean jsonb[]; v_lean boolean; v_best integer; v_kept integer;
    v_probe integer[]; v_spot integer; v_probing text;
`,
    ],
    ['v_any boolean := false; v_any_retry boolean := false; v_limits', 'v_any boolean; v_limits'],
    [
      '    v_until timestamptz;\n    b_tier integer; b_priority integer; b_load float8; b_last timestamptz;\n',
      '    v_until timestamptz;\n',
    ],
    ['    v_again := false;\n    while v_found', '    while v_found'],
    ['v_again or array_position(a_places, null)', 'v_once_more or array_position(a_places, null)'],
    [
      'from accounts where id = any (p_accounts) order by id\n        on conflict do nothing;\n      v_again',
      'from accounts where id = any (p_accounts) order by id\n        on conflict do nothing;\n      v_once_more',
    ],
    [
      `    v_today := (v_now at time zone 'UTC')::date;
    v_month := date_trunc('month', v_today::timestamp);
`,
      '',
    ],
    [
      '    h_tok := h_hold;\n    if v_teams is not null then\n',
      `    h_tok := h_hold;
    if v_limits then
      v_today := (v_now at time zone 'UTC')::date;
      v_month := date_trunc('month', v_today::timestamp);
    end if;
    if v_teams is not null then
`,
    ],
    ['s_unpriced[v_set];', 'coalesce(s_unpriced[v_set], false);'],
    [
      "            if v_probe[v_spot] > 0 then\n              v_probing := v_probing || ',' || i;",
      `            v_spot := case when v_unproven then (v_answer - 1) * v_families + c_family[v_best] end;
            if v_probe[v_spot] > 0 then
              v_probing := concat(v_probing, ',', i);`,
    ],
    [
      '        if not v_any_retry then\n          v_any_retry := true;\n',
      '        if v_retries is null then\n',
    ],
    [
      "case when v_any_retry then array_to_string(v_retries, ',') else '' end",
      "coalesce(array_to_string(v_retries, ','), '')",
    ],
    ["';' || substr(v_probing, 2);", "';' || coalesce(substr(v_probing, 2), '');"],
  ],
);

/** @throws Error where the one or the other is not there once */
function between(text: string, [from, to]: readonly [string, string], by: string): string {
  const [before, rest, ...more] = text.split(from);
  const after = rest?.slice(rest.indexOf(to));
  if (rest?.split(to).length !== 2 || more.length > 0) throw new Error(`Not once there: ${from}`);
  return `${before}${by}${after}`;
}
