import { v7 } from 'uuid';
import { HotPool } from '../src/database/hot-pool.ts';
import type { Queryable } from '../src/database/statement.ts';
import type { LedgerDatabase, Ledgers } from './ledgers.ts';
import { admissionsOf, type Cost, least, pairs, pidOf, type Shape } from './pair-cost.ts';
import { number, type Table } from './report.ts';

export interface Sampling {
  /** Admissions in one statement. */
  readonly batch: number;
  readonly rounds: number;
  readonly seconds: number;
}

export interface Growth {
  readonly table: Table;
  /** Postgres' time of an admission with all keys and accounts on the full ledger, against the empty one's. */
  readonly ratio: number;
}

/** What an admission and its settlement cost, as keys, accounts and ledger grow; in turns, the first row is the basis. */
export async function admissionGrowth(
  ledgers: Ledgers,
  { batch, rounds, seconds }: Sampling,
): Promise<Growth> {
  const ends: (() => Promise<unknown>)[] = [];
  try {
    const shapes = await shapesOf(ledgers, ends);
    const costs = new Map<Shape, Cost[]>(shapes.map((one) => [one, []]));
    for (const one of shapes) await pairs(one, batch, 300);
    for (let round = 0; round < rounds; round += 1) {
      for (const one of shapes) costs.get(one)?.push(await pairs(one, batch, seconds * 1_000));
    }
    return growthOf(costs, `batches of ${batch}, the least of ${rounds} rounds`);
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

function growthOf(costs: ReadonlyMap<Shape, readonly Cost[]>, how: string): Growth {
  const told = [...costs].map(([{ name }, list]) => ({
    name,
    wall: least(list, ({ wall }) => wall),
    admit: least(list, ({ admit }) => admit),
    settle: least(list, ({ settle }) => settle),
  }));
  const [basis] = told;
  const [most] = told.slice(-1);
  const against = (one: number, base: number | undefined): string => number(one / (base ?? NaN), 2);
  return {
    ratio: (most?.admit ?? NaN) / (basis?.admit ?? NaN),
    table: {
      title: `Admission and settlement, Postgres CPU µs each, ${how}`,
      head: ['', 'wall µs a pair', 'admit', '× empty', 'settle', '× empty'],
      rows: told.map(({ name, wall, admit, settle }) => [
        name,
        number(wall, 0),
        number(admit, 0),
        against(admit, basis?.admit),
        number(settle, 0),
        against(settle, basis?.settle),
      ]),
    },
  };
}

async function shapesOf(
  { empty, full, size }: Ledgers,
  ends: (() => Promise<unknown>)[],
): Promise<readonly Shape[]> {
  const rows = `${number(size.rows / 1e6, 1)} M rows`;
  const all = (count: number): string => number(count, 0);
  const [keys, accounts] = [full.keys.length, full.accounts.length];
  return [
    await shape('empty, 1,000 keys, 10 accounts', empty, 1_000, 10, ends),
    await shape('empty, 10 keys, 10 accounts', empty, 10, 10, ends),
    await shape(`${rows}, 10 keys, 10 accounts`, full, 10, 10, ends),
    await shape(`${rows}, 1,000 keys, 10 accounts`, full, 1_000, 10, ends),
    await shape(`${rows}, ${all(keys)} keys, 10 accounts`, full, keys, 10, ends),
    await shape(`${rows}, ${all(keys)} keys, ${all(accounts)} accounts`, full, keys, accounts, ends),
  ];
}

async function shape(
  name: string,
  { url, ...filled }: LedgerDatabase,
  keys: number,
  accounts: number,
  ends: (() => Promise<unknown>)[],
): Promise<Shape> {
  const pool = (synchronousCommit: 'on' | 'off'): Queryable => {
    const made = new HotPool({ url, name: 'bench', max: 1, synchronousCommit });
    ends.push(() => made.close());
    return made;
  };
  const [hot, ledger] = [pool('off'), pool('on')];
  return {
    name,
    admissions: await admissionsOf(hot, v7()),
    ledger,
    admitting: await pidOf(hot),
    settling: await pidOf(ledger),
    keys: spread(filled.keys, keys),
    candidates: spread(filled.accounts, accounts).map((accountId) => ({
      accountId,
      version: 1n,
      tier: 0,
      modelFamily: 'model',
    })),
    bound: false,
  };
}

/** So many of them, from all over. */
function spread(ids: readonly string[], many: number): readonly string[] {
  return Array.from({ length: many }, (_, at) => ids[Math.floor((at * ids.length) / many)] ?? '');
}
