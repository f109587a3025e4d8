import type { EntityManager } from 'typeorm';
import type { Statement } from '../database/statement.ts';

/** An administrator's token as the guard knows it. */
export interface Administrator {
  readonly id: string;
  readonly name: string;
}

export interface AdminTokenRow extends Administrator {
  readonly digest: Buffer;
}

export const READ_ADMIN_TOKENS: Statement = {
  name: 'read-admin-tokens',
  text: 'select id, name, digest from admin_tokens where revoked_at is null order by id limit 10000',
};

export async function hasAdminTokens(tx: EntityManager): Promise<boolean> {
  const rows = await tx.query<unknown[]>('select 1 from admin_tokens limit 1');
  return rows.length > 0;
}

export async function insertAdminToken(tx: EntityManager, row: AdminTokenRow): Promise<void> {
  await tx.query('insert into admin_tokens (id, name, digest) values ($1, $2, $3)', [
    row.id,
    row.name,
    row.digest,
  ]);
}

/** True when, of the tokens with this name, the one with this digest is the only one in force. */
export async function isOnlyToken(tx: EntityManager, name: string, digest: Buffer): Promise<boolean> {
  const rows = await tx.query<{ digest: Buffer }[]>(
    'select digest from admin_tokens where name = $1 and revoked_at is null',
    [name],
  );
  return rows.length === 1 && rows[0]?.digest.equals(digest) === true;
}

/** Makes the row's digest the only one in force under its name. The same digest under another name is left alone. */
export async function replaceTokens(tx: EntityManager, row: AdminTokenRow): Promise<void> {
  await tx.query(
    'update admin_tokens set revoked_at = clock_timestamp() where name = $1 and digest <> $2 and revoked_at is null',
    [row.name, row.digest],
  );
  await tx.query(
    `insert into admin_tokens (id, name, digest) values ($1, $2, $3)
       on conflict (digest) do update set revoked_at = null, name = excluded.name`,
    [row.id, row.name, row.digest],
  );
}
