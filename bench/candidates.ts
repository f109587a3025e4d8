import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { v7 } from 'uuid';
import { startEmbeddedPostgres } from '../src/database/embedded-postgres.ts';
import { HotPool } from '../src/database/hot-pool.ts';
import { runMigrations } from '../src/database/migrate.ts';
import type { Queryable } from '../src/database/statement.ts';
import { fillLedger } from './full-ledger.ts';
import { admissionsOf, type Cost, least, pairs, pidOf, type Shape } from './pair-cost.ts';

/**
 * `node dist/bench/candidates.js` after `npm run build && npx tsc -p tsconfig.bench.json`: what an admission and its
 * settlement cost by how many accounts may serve the call, on a database that is empty but for them, in turns and in
 * one run.
 */
const { values: options } = parseArgs({
  options: {
    candidates: { type: 'string', default: '10,1,32,100,1000' },
    batches: { type: 'string', default: '1,8' },
    rounds: { type: 'string', default: '4' },
    seconds: { type: 'string', default: '1' },
  },
});

const KEYS = 1_000;
const ends: (() => Promise<unknown>)[] = [];

function numbers(list: string): number[] {
  return list.split(',').map(Number);
}

const dataDir = mkdtempSync(join(tmpdir(), 'llm-relay-candidates-'));
try {
  const postgres = await startEmbeddedPostgres({ dataDir });
  ends.push(() => postgres.stop());
  await runMigrations(postgres.url);
  const many = numbers(options.candidates);
  const size = { rows: 0, months: 1, keys: KEYS, accounts: Math.max(...many) };
  const { keys, accounts } = await fillLedger(postgres.url, size, () => undefined);
  const pool = (synchronousCommit: 'on' | 'off'): Queryable => {
    const made = new HotPool({ url: postgres.url, name: 'bench', max: 1, synchronousCommit });
    ends.push(() => made.close());
    return made;
  };
  const shape = async (count: number): Promise<Shape> => {
    const [hot, ledger] = [pool('off'), pool('on')];
    const admissions = await admissionsOf(hot, v7());
    const candidates = accounts
      .slice(0, count)
      .map((accountId) => ({ accountId, version: 1n, tier: 0, modelFamily: 'model' }));
    const [admitting, settling] = [await pidOf(hot), await pidOf(ledger)];
    return {
      name: `${count} candidates`,
      admissions,
      ledger,
      admitting,
      settling,
      keys,
      candidates,
      bound: false,
    };
  };
  const shapes: Shape[] = [];
  for (const count of many) shapes.push(await shape(count));
  for (const batch of numbers(options.batches)) {
    const costs = new Map<Shape, Cost[]>(shapes.map((one) => [one, []]));
    for (const one of shapes) await pairs(one, batch, 300);
    for (let round = 0; round < Number(options.rounds); round += 1) {
      for (const one of shapes)
        costs.get(one)?.push(await pairs(one, batch, Number(options.seconds) * 1_000));
    }
    const total = (one: Shape): number => least(costs.get(one) ?? [], ({ admit, settle }) => admit + settle);
    const basis = total(shapes[0] as Shape);
    console.log(
      `\nbatches of ${batch}, µs a pair:   wall    admit   settle     node  × the first (Postgres)`,
    );
    for (const one of shapes) {
      const list = costs.get(one) ?? [];
      const figures = [
        ({ wall }: Cost) => wall,
        ({ admit }: Cost) => admit,
        ({ settle }: Cost) => settle,
        ({ node }: Cost) => node,
      ];
      const told = figures.map((figure) => least(list, figure).toFixed(0).padStart(8)).join(' ');
      console.log(`  ${one.name.padEnd(24)} ${told} ${(total(one) / basis).toFixed(2).padStart(8)}`);
    }
  }
} finally {
  for (const end of ends.reverse()) await end();
  rmSync(dataDir, { recursive: true, force: true });
}
