import type { EntityManager } from 'typeorm';
import type { KeyRecord, KeySettings } from './key-settings.ts';
import { LIMIT_COLUMNS, limitParameters, limitsOf } from './limits.repository.ts';

type Database = Pick<EntityManager, 'query'>;

const RECORD = `k.id, k.name, k.scopes, k.models, k.accounts, k.groups, k.binding_policy as "bindingPolicy",
  ${limitsOf('k')}, k.team_id as team, k.tags, k.enabled, k.expires_at as "expiresAt",
  k.revoked_at as "revokedAt", k.created_at as "createdAt", k.updated_at as "updatedAt",
  coalesce((select s.prefix from api_key_secrets s where s.key_id = k.id
             order by s.expires_at is not null, s.created_at desc limit 1), '') as prefix`;

const WRITTEN = [
  'version',
  'name',
  'scopes',
  'models',
  'accounts',
  'groups',
  'binding_policy',
  'team_id',
  'tags',
  'enabled',
  'expires_at',
  ...LIMIT_COLUMNS,
];
const COLUMNS = WRITTEN.join(', ');
const PLACES = WRITTEN.map((_, index) => `$${index + 2}`).join(', ');

/** Deleted keys are not found. */
export async function findKey(database: Database, id: string): Promise<KeyRecord | undefined> {
  const rows = await database.query<KeyRecord[]>(
    `select ${RECORD} from api_keys k where k.id = $1 and k.deleted_at is null`,
    [id],
  );
  return rows[0];
}

/** Newest first (ids are time-ordered), below `beforeId` when there is one. */
export async function pageOfKeys(
  database: Database,
  beforeId: string | undefined,
  limit: number,
): Promise<KeyRecord[]> {
  return database.query<KeyRecord[]>(
    `select ${RECORD} from api_keys k
      where k.deleted_at is null and ($1::uuid is null or k.id < $1) order by k.id desc limit $2`,
    [beforeId ?? null, limit],
  );
}

export async function insertKey(
  tx: Database,
  id: string,
  version: bigint,
  settings: KeySettings,
): Promise<void> {
  await tx.query(
    `insert into api_keys (id, ${COLUMNS}, created_at, updated_at)
      values ($1, ${PLACES}, clock_timestamp(), clock_timestamp())`,
    parameters(id, version, settings),
  );
  await tx.query('insert into key_state (id) values ($1)', [id]);
}

export async function updateKey(
  tx: Database,
  id: string,
  version: bigint,
  settings: KeySettings,
): Promise<void> {
  await tx.query(
    `update api_keys set (${COLUMNS}, updated_at) = (${PLACES}, clock_timestamp()) where id = $1`,
    parameters(id, version, settings),
  );
}

/** A key that is revoked already keeps its time. */
export async function revokeKey(tx: Database, id: string, version: bigint): Promise<void> {
  await tx.query(
    `update api_keys set version = $2, revoked_at = coalesce(revoked_at, clock_timestamp()),
        updated_at = clock_timestamp()
      where id = $1`,
    [id, version.toString()],
  );
}

/** The row and its name stay for reports; what could open anything goes. */
export async function markKeyDeleted(tx: Database, id: string, version: bigint): Promise<void> {
  await tx.query('delete from api_key_secrets where key_id = $1', [id]);
  await tx.query(
    `update api_keys set version = $2, enabled = false, deleted_at = clock_timestamp(), updated_at = clock_timestamp()
      where id = $1`,
    [id, version.toString()],
  );
}

/** Makes every replica read the key again. */
export async function touchKey(tx: Database, id: string, version: bigint): Promise<void> {
  await tx.query('update api_keys set version = $2, updated_at = clock_timestamp() where id = $1', [
    id,
    version.toString(),
  ]);
}

export async function insertSecret(tx: Database, id: string, digest: Buffer, prefix: string): Promise<void> {
  await tx.query(
    'insert into api_key_secrets (digest, key_id, prefix, created_at) values ($1, $2, $3, clock_timestamp())',
    [digest, id, prefix],
  );
}

/** Ends the key's secrets: now, or in `overlapSeconds` where they do not end earlier. */
export async function endSecrets(tx: Database, id: string, overlapSeconds: number): Promise<void> {
  if (overlapSeconds > 0) {
    await tx.query(
      `update api_key_secrets set expires_at = least(expires_at, clock_timestamp() + $2 * interval '1 second')
        where key_id = $1`,
      [id, overlapSeconds],
    );
  }
  await tx.query(
    'delete from api_key_secrets where key_id = $1 and ($2 or expires_at <= clock_timestamp())',
    [id, overlapSeconds === 0],
  );
}

/** Those of `ids` that are no account. */
export async function missingAccounts(tx: Database, ids: readonly string[]): Promise<string[]> {
  return missing(tx, 'select id from accounts where id = any($1::uuid[]) and deleted_at is null', ids);
}

/** Those of `ids` that are no team. */
export async function missingTeams(tx: Database, ids: readonly string[]): Promise<string[]> {
  return missing(tx, 'select id from teams where id = any($1::uuid[]) and deleted_at is null', ids);
}

/** Those of `ids` that are no account group. */
export async function missingGroups(tx: Database, ids: readonly string[]): Promise<string[]> {
  return missing(tx, 'select id from account_groups where id = any($1::uuid[]) and deleted_at is null', ids);
}

async function missing(tx: Database, statement: string, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return [];
  const rows = await tx.query<{ id: string }[]>(statement, [ids]);
  const there = new Set(rows.map(({ id }) => id));
  return ids.filter((id) => !there.has(id));
}

function parameters(id: string, version: bigint, settings: KeySettings): unknown[] {
  return [
    id,
    version.toString(),
    settings.name,
    settings.scopes,
    settings.models,
    settings.accounts,
    settings.groups,
    settings.bindingPolicy,
    settings.team,
    settings.tags,
    settings.enabled,
    settings.expiresAt,
    ...limitParameters(settings.limits),
  ];
}
