import type { MigrationInterface, QueryRunner } from 'typeorm';
import { LOCKS } from './1763800003000-call-attempts.ts';
import { MOVE as MOVE_BEFORE } from './1763801153100-headroom.ts';
import { changed } from './1763801154910-decisions.ts';
import { ADMIT as ADMIT_BEFORE } from './1763801212100-short-lists.ts';

/**
 * What is preferred and near a limit goes behind those of its tier that are not, and before those that are as well: to
 * leave a session's cache for an account that is no better off only takes more of both limits. So does a call that goes
 * on, except to the account that it has just been at, on a new connection.
 */
export class LeanBindings1763801300470 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(LOCKS);
    await runner.query(replaced(ADMIT));
    await runner.query(replaced(MOVE));
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(LOCKS);
    await runner.query(replaced(ADMIT_BEFORE));
    await runner.query(replaced(MOVE_BEFORE));
  }
}

export function replaced(text: string): string {
  return text.replace('create function', 'create or replace function');
}

/** `v_kept`: the preferred one, where it is able, has room and is near a limit. */
export const ADMIT = changed(ADMIT_BEFORE, [
  ['v_lean boolean; b_lean boolean;\n', 'v_lean boolean; b_lean boolean; v_kept integer;\n'],
  ['        v_full := false;\n', '        v_full := false;\n        v_kept := 0;\n'],
  ['if u_account[c] = p_prefer[i] and not u_lean[c] then\n', 'if u_account[c] = p_prefer[i] then\n'],
  [
    '                v_spot := u_spot[c];\n                v_answer := a;\n',
    `                if u_lean[c] then
                  v_kept := c;
                else
                  v_spot := u_spot[c];
                  v_answer := a;
                end if;
`,
  ],
  [
    '        if v_answer > 0 then\n          v_any := true;\n',
    `        if v_kept > 0 and b_lean and u_tier[v_kept] = b_tier then
          v_answer := u_account[v_kept];
          v_spot := u_spot[v_kept];
        end if;

        if v_answer > 0 then
          v_any := true;
`,
  ],
]);

const MOVE = changed(MOVE_BEFORE, [
  [
    'order by (j.id = p_prefer) is true desc, j.tier, j.lean, j.priority,',
    `order by (j.id = p_prefer and (not j.lean or j.id = v_row.account_id)) is true desc, j.tier, j.lean,
                        (j.id = p_prefer) is true desc, j.priority,`,
  ],
]);
