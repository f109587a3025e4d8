import { hostname } from 'node:os';
import type { Queryable } from '../../database/statement.ts';

const REGISTER = {
  name: 'register-epoch',
  text: `insert into replicas (epoch, host) values ($1, $2)
    returning (select value from settings where name = 'installation') as installation`,
};
const BEAT = {
  name: 'beat',
  text: `update replicas set beat = clock_timestamp()
    where epoch = $1 and dead_at is null and closed_at is null returning epoch`,
};
const CLOSE = {
  name: 'close-epoch',
  text: 'update replicas set closed_at = clock_timestamp() where epoch = $1 and closed_at is null',
};
const SWEEP = { name: 'sweep-epochs', text: 'select sweep_epochs($1::integer) as done' };
const FORGET = {
  name: 'forget-epochs',
  text: `delete from replicas r where coalesce(r.closed_at, r.dead_at) < clock_timestamp() - interval '7 days'
    and not exists (select from open_calls o where o.epoch = r.epoch)`,
};

const LIVING = {
  name: 'living-epochs',
  text: `select epoch from replicas where epoch = any ($1::uuid[]) and closed_at is null and dead_at is null`,
};

/** Answers the id of the installation, which a copy of the database keeps. */
export async function registerEpoch(db: Queryable, epoch: string): Promise<string> {
  const [row] = await db.run<{ installation: string | null }>(REGISTER, [epoch, hostname()]);
  if (typeof row?.installation !== 'string') throw new Error('The database has no installation id');
  return row.installation;
}

/** False when the epoch is closed, marked dead, or not there (a database that lost its last moments). */
export async function beat(db: Queryable, epoch: string): Promise<boolean> {
  return (await db.run(BEAT, [epoch])).length > 0;
}

export async function closeEpoch(db: Queryable, epoch: string): Promise<void> {
  await db.run(CLOSE, [epoch]);
}

/** Those of the epochs that are neither closed nor marked dead nor forgotten. */
export async function livingEpochs(db: Queryable, epochs: readonly string[]): Promise<Set<string>> {
  const rows = await db.run<{ epoch: string }>(LIVING, [epochs]);
  return new Set(rows.map(({ epoch }) => epoch));
}

export interface Swept {
  readonly marked: number;
  /** Open rows written off, at most 500 in one go. */
  readonly orphaned: number;
}

/** Marks epochs silent for longer than `ttlMs` (null: none) dead, and writes off open rows of dead and closed ones. */
export async function sweepEpochs(db: Queryable, ttlMs: number | null): Promise<Swept> {
  const [row] = await db.run<{ done: [number, number] }>(SWEEP, [ttlMs]);
  return { marked: row?.done[0] ?? 0, orphaned: row?.done[1] ?? 0 };
}

/** Ended epochs of a week ago that hold nothing. */
export async function forgetEpochs(db: Queryable): Promise<void> {
  await db.run(FORGET, []);
}
