import type { Queryable } from '../../database/statement.ts';

const RELEASE = { name: 'release-strays', text: 'select release_strays($1::uuid[]) as gone' };

/** Deletes these open rows and gives back their places, without a ledger row; answers those that there were. */
export async function releaseStrays(db: Queryable, requestIds: readonly string[]): Promise<string[]> {
  const [row] = await db.run<{ gone: string[] }>(RELEASE, [requestIds]);
  return row?.gone ?? [];
}
