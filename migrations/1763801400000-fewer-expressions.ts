import type { MigrationInterface, QueryRunner } from 'typeorm';
import { LOCKS } from './1763800003000-call-attempts.ts';
import { changed } from './1763801154910-decisions.ts';
import { ADMIT as ADMIT_BEFORE, replaced } from './1763801300470-lean-bindings.ts';

/**
 * Decides as before, with fewer expressions. PL/pgSQL makes each expression ready anew in every transaction, which for an
 * admission alone costs more than its statements do: the candidates that can serve are no longer copied into arrays of
 * their own, the best so far is remembered by its place alone, and what only limits, rests or probes need is not
 * computed without them (docs/decisions/018).
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

/** What stays as it was, from its first words to what follows it. */
const RESTS = part(
  '      select c.pos::integer as account, f.pos::integer as family, max(',
  '    loop\n      if v_cooling',
);
const PROBES = part(
  '        select c.pos::integer as account, f.pos::integer as family,\n',
  '      loop\n        v_probe[',
);
const WITHIN_LIMITS = changed(
  part('        v_hold := p_hold_nanos[i];\n', '      end if;\n\n      if v_answer = 0 then\n'),
  [['v_budget := true;', 'v_pick := coalesce(s_unpriced[v_set], false);']],
);
const COUNTED_TO_LIMITS = part(
  '            if k_limited[k] then\n',
  '          end if;\n        else\n          v_until',
);

/**
 * Which accounts rest or are to be proven, and of the candidates: `c_out`, it cannot serve now; `c_lean`, it is near a
 * limit. What is not so is null, or false.
 */
const CANDIDATES = `    select exists (select from cooldowns where account_id = any (p_accounts) and until > v_now),
           p_probes and exists (select from cooldowns
                                where account_id = any (p_accounts) and proven_at is null and until <= v_now)
      into v_resting, v_unproven;

    if v_resting then
      v_cooling := array_fill(null::timestamptz, array[cardinality(p_accounts) * v_families]);
      for v_cooldown in
${RESTS}      loop
        v_cooling[(v_cooldown.account - 1) * v_families + v_cooldown.family] := v_cooldown.until;
      end loop;
    end if;

    if v_unproven then
      v_probe := array_fill(0, array[cardinality(p_accounts) * v_families]);
      for v_cooldown in
${PROBES}      loop
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

/** Where an account is taken, `v_answer` is that account and `v_best` its candidate. */
const REQUESTS = `    for i in 1 .. cardinality(p_ids) loop
      k := p_key[i];
      v_set := p_set[i];
      v_count := p_counting[i];
      v_pick := false;
      v_answer := case
        when p_prefer[i] < 0 then -14
        when k_usable[k] is not true or k_expires[k] <= v_now then -1
        when k_version[k] <> p_key_version[i] or s_stale[v_set] then -3
        when v_count then case when k_counting[k] >= 32 then -2 else 0 end
        when h_in_use[k] >= h_max[k] then -2
        else 0 end;

      if v_answer = 0 and k_limited[k] and not v_count then
${WITHIN_LIMITS}      end if;

      if v_answer = 0 then
        if p_prefer[i] > 0 then
          a := p_prefer[i];
          v_best := p_set_from[v_set] - 1 + array_position(c_account[p_set_from[v_set] : p_set_to[v_set]], a);
          if v_best is not null and c_out[v_best] is null and (not v_pick or c_priced[v_best])
             and (v_count or ((a_places[a] < a_max[a]) is not false
                              and v_probe[(a - 1) * v_families + c_family[v_best]] is distinct from 2)) then
            if c_lean[v_best] then
              v_kept := v_best;
            else
              v_answer := a;
            end if;
          end if;
        end if;
        if v_answer = 0 then
          for c in p_set_from[v_set] .. p_set_to[v_set] loop
            a := c_account[c];
            continue when c_out[c] or (v_pick and not c_priced[c])
              or (not v_count and (a_places[a] >= a_max[a] or v_probe[(a - 1) * v_families + c_family[c]] = 2));
            if v_answer = 0
               or (c_tier[c], c_lean[c] is true, a_priority[a], a_places[a]::float8 / a_weight[a], a_last[a])
                  < (c_tier[v_best], c_lean[v_best] is true, a_priority[v_answer],
                     a_places[v_answer]::float8 / a_weight[v_answer], a_last[v_answer]) then
              v_answer := a;
              v_best := c;
            end if;
          end loop;
          if v_kept is not null then
            if c_lean[v_best] and c_tier[v_kept] = c_tier[v_best] then
              v_answer := c_account[v_kept];
              v_best := v_kept;
            end if;
            v_kept := null;
          end if;
        end if;
      end if;

      if v_answer > 0 then
        a_last[v_answer] := v_now + i * interval '1 microsecond';
        if v_count then
          k_counting[k] := k_counting[k] + 1;
        else
          a_places[v_answer] := a_places[v_answer] + 1;
          h_in_use[k] := h_in_use[k] + 1;
          if v_unproven then
            v_spot := (v_answer - 1) * v_families + c_family[v_best];
            if v_probe[v_spot] > 0 then
              v_probing := concat(v_probing, ',', i);
              r_account := r_account || p_accounts[v_answer];
              r_family := r_family || p_families[c_family[v_best]];
              if v_probe[v_spot] = 3 then
                for f in (v_answer - 1) * v_families + 1 .. v_answer * v_families loop
                  v_probe[f] := 2;
                end loop;
              else
                v_probe[v_spot] := 2;
              end if;
            end if;
          end if;
          h_hold[k] := h_hold[k] + p_hold_nanos[i];
${COUNTED_TO_LIMITS}        end if;
      else
        if v_answer = 0 then
          v_until := s_soonest[v_set];
          v_full := false;
          for c in p_set_from[v_set] .. p_set_to[v_set] loop
            v_full := c_out[c] is null and (not v_pick or c_priced[c]);
            exit when v_full;
          end loop;
          if v_full then v_answer := -4;
          elsif v_until <> 'infinity' then
            v_answer := -5;
            v_wait := ceil(extract(epoch from v_until - v_now) * 1000000);
          elsif v_pick then v_answer := -12;
          elsif v_until is null then v_answer := -7;
          else v_answer := -6;
          end if;
        end if;
        if v_answer in (-5, -8, -9) then
          if v_retries is null then v_retries := array_fill(0::bigint, array[cardinality(p_ids)]); end if;
          v_retries[i] := v_wait;
        end if;
      end if;
      v_answers[i] := v_answer;
    end loop;

`;

export const ADMIT = changed(ADMIT_BEFORE, [
  [part('    for v_cooldown in\n      select c.pos', '    for i in 1 .. card'), CANDIDATES],
  [part('    for i in 1 .. cardinality(p_ids) loop\n', '    if r_account is not null then\n'), REQUESTS],
  ['    v_again boolean := false;\n', '    v_again boolean; v_once_more boolean;\n'],
  [
    `    a_max integer[]; a_priority integer[]; a_weight integer[]; a_load float8[];
    s_from integer[]; s_to integer[]; s_stale boolean[]; s_unpriced boolean[]; s_soonest timestamptz[];
    u_account integer[]; u_tier integer[]; u_priced boolean[]; v_usable integer := 0;
`,
    `    a_max integer[]; a_priority integer[]; a_weight integer[];
    s_stale boolean[]; s_unpriced boolean[]; s_soonest timestamptz[]; c_out boolean[]; c_lean boolean[];
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
  ['v_any boolean := false; v_any_retry boolean := false; v_limits', 'v_limits'],
  ['v_left bigint; v_budget boolean; v_pick boolean;', 'v_left bigint; v_pick boolean;'],
  [
    '    v_until timestamptz;\n    b_tier integer; b_priority integer; b_load float8; b_last timestamptz;\n',
    '    v_until timestamptz;\n',
  ],
  [' array_agg(s.in_use::float8 / s.weight),', '', 2],
  ['a_weight, a_load, a_lean', 'a_weight, a_lean', 2],
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
  ['    if v_any then\n', '    if 0 < any (v_answers) then\n'],
  [
    "case when v_any_retry then array_to_string(v_retries, ',') else '' end",
    "coalesce(array_to_string(v_retries, ','), '')",
  ],
  ["';' || substr(v_probing, 2);", "';' || coalesce(substr(v_probing, 2), '');"],
]);

/** Of the function as it was, up to the first of what follows. @throws Error where its beginning is not there once */
function part(from: string, to: string): string {
  const [, rest, ...more] = ADMIT_BEFORE.split(from);
  const end = rest?.indexOf(to) ?? -1;
  if (end < 0 || more.length > 0) throw new Error(`Not once there: ${from}`);
  return `${from}${rest?.slice(0, end)}`;
}
