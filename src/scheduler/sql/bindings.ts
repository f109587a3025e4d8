import { plainArray, textArray } from '../../database/array-text.ts';
import type { Queryable } from '../../database/statement.ts';

/** A session was answered by an account, which holds the vendor's cache of it from now on. */
export interface Binding {
  /** The digest of key, model and session, as 32 hexadecimal digits. */
  readonly session: string;
  readonly accountId: string;
  /** How long the cache outlives its last use. */
  readonly livesS: number;
  /** The account that the session was bound to until now, where that is to change. */
  readonly replaces?: string | undefined;
  /** It was bound to this account already, and is used again. */
  readonly isUse?: boolean;
  /** Only if that account serves no more, waits for a person, or rests until its cache is gone. */
  readonly ifParked?: boolean;
  /** What rests of that account for the session's model are kept under; absent: only those of the whole account count. */
  readonly family?: string | undefined;
}

const BIND = {
  name: 'bind-sessions',
  text: `select bind_sessions($1::uuid[], $2::uuid[], $3::integer[], $4::uuid[], $5::boolean[], $6::text[],
    $7::boolean)`,
};
const BOUND = {
  name: 'bound-account',
  text: `select account_id as id from bindings
    where id = $1::uuid and used_at > clock_timestamp() - lives * interval '1 second'`,
};
const FORGET = {
  name: 'forget-bindings',
  text: 'select forget_bindings($1::integer, $2::integer) as done',
};

/** The account that a session is bound to, while the cache there lives. */
export async function boundAccount(db: Queryable, session: string): Promise<string | undefined> {
  const [row] = await db.run<{ id: string }>(BOUND, [session]);
  return row?.id;
}

/** Each session once. @param addNew sessions without a row get one */
export async function bindSessions(
  db: Queryable,
  bindings: readonly Binding[],
  addNew: boolean,
): Promise<void> {
  await db.run(BIND, [
    plainArray(bindings.map(({ session }) => session)),
    plainArray(bindings.map(({ accountId }) => accountId)),
    plainArray(bindings.map(({ livesS }) => livesS)),
    plainArray(bindings.map(({ replaces }) => replaces)),
    plainArray(bindings.map(({ ifParked }) => ifParked === true)),
    textArray(bindings.map(({ family }) => family ?? null)),
    addNew,
  ]);
}

/** Deletes up to `limit` bindings whose cache is gone; `left` counts no further than to `most`. */
export async function forgetBindings(
  db: Queryable,
  limit: number,
  most: number,
): Promise<{ readonly deleted: number; readonly left: number }> {
  const [row] = await db.run<{ done: [number, number] }>(FORGET, [limit, most]);
  if (row === undefined) throw new Error('The database did not answer');
  return { deleted: row.done[0], left: row.done[1] };
}
