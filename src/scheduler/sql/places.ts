import type { Queryable } from '../../database/statement.ts';

const ACCOUNTS = {
  name: 'account-places',
  text: 'select id, in_use from account_state where id = any ($1::uuid[])',
};
const KEYS = {
  name: 'key-places',
  text: 'select id, in_use, counting from key_state where id = any ($1::uuid[])',
};

export interface KeyPlaces {
  /** Calls running in lane `generate`. */
  readonly inUse: number;
  readonly counting: number;
}

/** Places taken over all replicas, by account id; an account without a row has none. */
export async function accountPlaces(db: Queryable, ids: readonly string[]): Promise<Map<string, number>> {
  const rows = await db.run<{ id: string; in_use: number }>(ACCOUNTS, [ids]);
  return new Map(rows.map((row) => [row.id, row.in_use]));
}

export async function keyPlaces(db: Queryable, ids: readonly string[]): Promise<Map<string, KeyPlaces>> {
  const rows = await db.run<{ id: string; in_use: number; counting: number }>(KEYS, [ids]);
  return new Map(rows.map((row) => [row.id, { inUse: row.in_use, counting: row.counting }]));
}
