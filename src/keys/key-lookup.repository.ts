import type { Statement } from '../database/statement.ts';
import type { ApiKey } from './api-key.ts';

/** A key's settings as the database has them; anything may be wrong with a row that was restored or edited by hand. */
export interface KeyLookupRow {
  readonly [column: string]: unknown;
  /** The database's clock when it answered. */
  readonly now: Date;
}

const SETTINGS = `k.id, k.version, k.name, k.scopes, k.models, k.accounts, k.groups,
  k.binding_policy as "bindingPolicy", k.max_concurrency as "maxConcurrency", k.tags, k.enabled,
  k.expires_at as "expiresAt", k.revoked_at as "revokedAt", clock_timestamp() as now`;

/** One look into the primary key of the digests, one into that of the keys. */
export const FIND_KEY_BY_DIGEST: Statement = {
  name: 'find-key-by-digest',
  text: `select ${SETTINGS}, s.prefix, s.expires_at as "secretExpiresAt"
           from api_key_secrets s join api_keys k on k.id = s.key_id
          where s.digest = $1 and k.deleted_at is null`,
};

export const READ_CHANGED_KEYS: Statement = {
  name: 'read-changed-keys',
  text: 'select id from api_keys where version > $1',
};

/** A key in memory, under the digest it was found by. */
export interface FoundKey {
  readonly key: ApiKey;
  /** When this secret ends although the key goes on, after a rotation with overlap. */
  readonly secretExpiresAt: Date | null;
}

/** @returns undefined for a row that is not whole: such a key opens nothing */
export function readKeyRow(row: KeyLookupRow): FoundKey | undefined {
  const { id, version, name, prefix, bindingPolicy, maxConcurrency, enabled, secretExpiresAt } = row;
  const { scopes, models, accounts, groups, tags, expiresAt, revokedAt } = row;
  const whole =
    isText(id) &&
    isText(version) &&
    /^\d+$/.test(version) &&
    isText(name) &&
    isText(prefix) &&
    isTexts(scopes) &&
    isTexts(models) &&
    (accounts === null || isTexts(accounts)) &&
    (groups === null || isTexts(groups)) &&
    (bindingPolicy === 'strict' || bindingPolicy === 'fallback') &&
    (maxConcurrency === null || isPlaces(maxConcurrency)) &&
    isTexts(tags) &&
    typeof enabled === 'boolean' &&
    isMoment(expiresAt) &&
    isMoment(revokedAt) &&
    isMoment(secretExpiresAt);
  if (!whole) return undefined;
  const key: ApiKey = {
    id,
    version: BigInt(version),
    name,
    prefix,
    scopes,
    models,
    accounts,
    groups,
    bindingPolicy,
    maxConcurrency,
    tags,
    enabled,
    expiresAt,
    revokedAt,
  };
  return Object.freeze({ key: Object.freeze(key), secretExpiresAt });
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(isText);
}

function isPlaces(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value > 0;
}

/** `infinity` arrives as a number, and is no moment either. */
function isMoment(value: unknown): value is Date | null {
  return value === null || (value instanceof Date && !Number.isNaN(value.getTime()));
}
