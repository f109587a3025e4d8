import type { Queryable } from '../../database/statement.ts';

const REGISTER = { name: 'register-epoch', text: 'insert into replicas (epoch) values ($1)' };
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

export async function registerEpoch(db: Queryable, epoch: string): Promise<void> {
  await db.run(REGISTER, [epoch]);
}

/** False when the epoch is closed, marked dead, or not there (a database that lost its last moments). */
export async function beat(db: Queryable, epoch: string): Promise<boolean> {
  return (await db.run(BEAT, [epoch])).length > 0;
}

export async function closeEpoch(db: Queryable, epoch: string): Promise<void> {
  await db.run(CLOSE, [epoch]);
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
