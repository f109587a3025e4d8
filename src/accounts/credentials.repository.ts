import type { EntityManager } from 'typeorm';

/** A connection pool or one transaction. */
export type Database = Pick<EntityManager, 'query'>;

export interface SealedCredential {
  readonly accountId: string;
  readonly version: number;
  readonly keyId: string;
  readonly sealed: Buffer;
}

const COLUMNS = 'account_id as "accountId", version, encryption_key_id as "keyId", sealed';

export async function readCredential(
  database: Database,
  accountId: string,
): Promise<SealedCredential | undefined> {
  const rows = await database.query<SealedCredential[]>(
    `select ${COLUMNS} from account_credentials where account_id = $1`,
    [accountId],
  );
  return rows[0];
}

/**
 * Holds the row until the transaction ends. `wait`: behind another renewal, for at most 9 s (just longer than one may
 * take); `nowait`: fails at once when somebody holds it (55P03).
 */
export async function lockCredential(
  tx: Database,
  accountId: string,
  how: 'wait' | 'nowait',
): Promise<SealedCredential | undefined> {
  if (how === 'wait') await tx.query(`set local lock_timeout = '9s'; set local statement_timeout = '10s'`);
  const rows = await tx.query<SealedCredential[]>(
    `select ${COLUMNS} from account_credentials where account_id = $1 for update ${how === 'nowait' ? 'nowait' : ''}`,
    [accountId],
  );
  return rows[0];
}

export async function insertCredential(tx: Database, credential: SealedCredential): Promise<void> {
  await tx.query(
    `insert into account_credentials (account_id, version, encryption_key_id, sealed) values ($1, $2, $3, $4)`,
    [credential.accountId, credential.version, credential.keyId, credential.sealed],
  );
}

/** Writes the next version over the one it was made from; false when that one is no longer there. */
export async function replaceCredential(tx: Database, credential: SealedCredential): Promise<boolean> {
  const [, changed] = await tx.query<[unknown, number]>(
    `update account_credentials set version = $2, encryption_key_id = $3, sealed = $4, updated_at = now()
      where account_id = $1 and version = $2 - 1`,
    [credential.accountId, credential.version, credential.keyId, credential.sealed],
  );
  return changed === 1;
}

export async function deleteCredential(tx: Database, accountId: string): Promise<void> {
  await tx.query(`delete from account_credentials where account_id = $1`, [accountId]);
}

/** A page of the credentials that are sealed under another key than this one, by account id. */
export async function credentialsNotUnder(
  database: Database,
  keyId: string,
  afterAccountId: string,
  limit: number,
): Promise<SealedCredential[]> {
  return database.query<SealedCredential[]>(
    `select ${COLUMNS} from account_credentials where encryption_key_id <> $1 and account_id > $2
      order by account_id limit $3`,
    [keyId, afterAccountId, limit],
  );
}

/** The same version under another key; false when the row has changed since `from` was read. */
export async function resealCredential(
  database: Database,
  from: SealedCredential,
  keyId: string,
  sealed: Buffer,
): Promise<boolean> {
  const [, changed] = await database.query<[unknown, number]>(
    `update account_credentials set encryption_key_id = $4, sealed = $5
      where account_id = $1 and version = $2 and encryption_key_id = $3`,
    [from.accountId, from.version, from.keyId, keyId, sealed],
  );
  return changed === 1;
}

/** The stored check value; the offered one becomes it when there is none. */
export async function checkValue(database: Database, offered: string): Promise<string> {
  await database.query(
    `insert into settings (name, value) values ('encryption-check', $1) on conflict (name) do nothing`,
    [offered],
  );
  const rows = await database.query<{ value: string }[]>(
    `select value from settings where name = 'encryption-check'`,
  );
  if (rows[0] === undefined) throw new Error('The encryption check value was not stored');
  return rows[0].value;
}

export async function writeCheckValue(database: Database, value: string): Promise<void> {
  await database.query(`update settings set value = $1 where name = 'encryption-check'`, [value]);
}
