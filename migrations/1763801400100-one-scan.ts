import type { MigrationInterface, QueryRunner } from 'typeorm';
import { LOCKS } from './1763800003000-call-attempts.ts';
import { RELEASE } from './1763801143600-limits.ts';
import { SETTLE } from './1763801185800-charges.ts';
import { replaced } from './1763801300470-lean-bindings.ts';
import { ADMIT } from './1763801400000-fewer-expressions.ts';

/**
 * Of several arrays one is unnested, and the others are read at its positions. `unnest` of n arrays fills n stores with
 * rows of one column first, 33 of them for a settlement, which cost it a fourteenth. As many rows are expected as before, so
 * that the plans stay the same.
 */
export class OneScan1763801400100 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(LOCKS);
    for (const text of FUNCTIONS) await runner.query(replaced(byPosition(text)));
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(LOCKS);
    for (const text of FUNCTIONS) await runner.query(replaced(text));
  }
}

const FUNCTIONS = [ADMIT, SETTLE, RELEASE];

const SEVERAL = /unnest\(((?:[^(),]+,){2,}[^(),]+)\)\s+(\w) \(([^)]+)\)/g;

/** The first of the arrays is never shorter than the others. */
function byPosition(text: string): string {
  return text.replace(SEVERAL, (_, arrays: string, alias: string, names: string) => {
    const [first = '', ...others] = arrays.split(',').map((array) => array.trim());
    const [name = '', ...further] = names.split(',').map((one) => one.trim());
    const columns = [`e as ${name}`, ...others.map((array, at) => `${elementOf(array)} as ${further[at]}`)];
    return `(select ${columns.join(', ')} from unnest(${first}) with ordinality f (e, i)) ${alias}`;
  });
}

/** Of an array, or of a part of one: `h[1 : n]` or `h[n + 1 :]`. */
function elementOf(array: string): string {
  const [, name = array, skipped] = /^(\w+)\[(?:(\w+) \+ )?1 :.*\]$/.exec(array) ?? [];
  return `${name}[${skipped === undefined ? '' : `${skipped} + `}i]`;
}
