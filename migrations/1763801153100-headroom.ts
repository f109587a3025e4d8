import type { MigrationInterface, QueryRunner } from 'typeorm';
import { LOCKS } from './1763800003000-call-attempts.ts';
import { ADMIT as ADMIT_BEFORE, changed, MOVE as MOVE_BEFORE } from './1763801152000-probes.ts';

/**
 * Accounts near a limit (\`lean\`: until when, in µs, by model family) are chosen after those that are not, whatever
 * their priority: about to be limited is worse than dearer. The tiers of a key's chain stay first, and nothing is
 * refused for it. What is preferred counts as the others do while it is near a limit.
 */
export class Headroom1763801153100 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(LOCKS);
    await runner.query('alter table account_state add column lean jsonb');
    await runner.query(ADMIT);
    await runner.query(MOVE);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(LOCKS);
    await runner.query(ADMIT_BEFORE.replace('create function', 'create or replace function'));
    await runner.query(MOVE_BEFORE.replace('create function', 'create or replace function'));
    await runner.query('alter table account_state drop column lean');
  }
}

/** Behind the probes' positions, which are always there now, more may follow. */
export const ADMIT = changed(ADMIT_BEFORE, [
  ['  create function admit(', '  create or replace function admit('],
  [
    '    v_cooldown record;\n',
    '    v_cooldown record;\n    a_lean jsonb[]; u_lean boolean[]; v_lean boolean; b_lean boolean;\n',
  ],
  [
    'array_agg(s.weight), array_agg(s.in_use::float8 / s.weight)\n',
    'array_agg(s.weight), array_agg(s.in_use::float8 / s.weight),\n             array_agg(s.lean), bool_or(s.lean is not null)\n',
  ],
  ['a_priority, a_weight, a_load\n', 'a_priority, a_weight, a_load, a_lean, v_lean\n'],
  ['(select s.id, s.in_use, s.last_used,\n', '(select s.id, s.in_use, s.last_used, s.lean,\n'],
  [
    '            u_tier[v_usable] := c_tier[c];\n',
    `            u_tier[v_usable] := c_tier[c];
            u_lean[v_usable] := v_lean and coalesce((a_lean[a] ->> p_families[c_family[c]])::bigint > v_us, false);
`,
  ],
  [
    '            if u_account[c] = p_prefer[i] then\n',
    '            if u_account[c] = p_prefer[i] and not u_lean[c] then\n',
  ],
  [
    `(u_tier[c], a_priority[a], a_load[a], a_last[a])
                                   < (b_tier, b_priority, b_load, b_last))`,
    `(u_tier[c], u_lean[c], a_priority[a], a_load[a], a_last[a])
                                   < (b_tier, b_lean, b_priority, b_load, b_last))`,
  ],
  [
    '              b_tier := u_tier[c];\n',
    '              b_tier := u_tier[c];\n              b_lean := u_lean[c];\n',
  ],
  [
    "case when v_probing = '' then '' else ';' || substr(v_probing, 2) end;\n",
    "';' || substr(v_probing, 2);\n",
  ],
]);

/** As before. What a call prefers here is the account that it has just been at, on a new connection. */
export const MOVE = changed(MOVE_BEFORE, [
  ['  create function move_attempt(', '  create or replace function move_attempt('],
  [
    'nullif(q.max_concurrency, 0) as places, s.last_used,\n',
    `nullif(q.max_concurrency, 0) as places, s.last_used,
               coalesce((s.lean ->> c.family)::bigint > extract(epoch from v_now) * 1000000, false) as lean,
`,
  ],
  ['is true desc, j.tier, j.priority,', 'is true desc, j.tier, j.lean, j.priority,'],
]);
