import type { Statement } from '../database/statement.ts';
import type { ApiKey, Bound } from './api-key.ts';

/** A key's settings as the database has them; anything may be wrong with a row that was restored or edited by hand. */
export interface KeyLookupRow {
  readonly [column: string]: unknown;
  /** The database's clock when it answered. */
  readonly now: Date;
}

const SETTINGS = `k.id, k.version, k.name, k.scopes, k.models, k.accounts, k.groups,
  k.binding_policy as "bindingPolicy", k.max_concurrency as "maxConcurrency", k.tags, k.enabled,
  k.expires_at as "expiresAt", k.revoked_at as "revokedAt", clock_timestamp() as now`;

const BOUND = (row: string, up: string): string => `select ${up} as up, ${row}.id,
    ${row}.max_concurrency is not null as places,
    coalesce(${row}.budget_day_nanos, ${row}.budget_month_nanos, ${row}.budget_total_nanos) is not null as budget,
    ${row}.requests_per_minute as "requestsPerMinute", ${row}.tokens_per_minute as "tokensPerMinute"`;

/** The key's own, then those of its team and the teams above that. */
const BOUNDS = `(select jsonb_agg(to_jsonb(b) - 'up' order by b.up) from (
    ${BOUND('k', '0')}
    union all
    ${BOUND('t', 'p.up')} from teams own cross join unnest(own.path) with ordinality p (id, up)
      join teams t on t.id = p.id where own.id = k.team_id) b) as bounds`;

/** One look into the primary key of the digests, one into that of the keys. */
export const FIND_KEY_BY_DIGEST: Statement = {
  name: 'find-key-by-digest',
  text: `select ${SETTINGS}, ${BOUNDS}, s.prefix, s.expires_at as "secretExpiresAt"
           from api_key_secrets s join api_keys k on k.id = s.key_id
          where s.digest = $1 and k.deleted_at is null`,
};

/** By its id, under the prefix of its newest secret; for looks at a key that nobody presents. */
export const FIND_KEY_BY_ID: Statement = {
  name: 'find-key-by-id',
  text: `select ${SETTINGS}, ${BOUNDS}, null::timestamptz as "secretExpiresAt", coalesce((
             select s.prefix from api_key_secrets s where s.key_id = k.id
              order by s.expires_at is not null, s.created_at desc limit 1), '-') as prefix
           from api_keys k where k.id = $1 and k.deleted_at is null`,
};

/** A key is another one, too, where a team above it has changed. */
export const READ_CHANGED_KEYS: Statement = {
  name: 'read-changed-keys',
  text: `select id from api_keys where version > $1
         union
         select k.id from teams t join teams own on own.path @> array[t.id] join api_keys k on k.team_id = own.id
           where t.version > $1`,
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
  const { scopes, models, accounts, groups, bounds, tags, expiresAt, revokedAt } = row;
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
    Array.isArray(bounds) &&
    bounds.every(isBound) &&
    bounds[0]?.id === id &&
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
    bounds,
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

function isBound(value: unknown): value is Bound {
  if (typeof value !== 'object' || value === null) return false;
  const { id, places, budget, requestsPerMinute, tokensPerMinute } = value as Partial<
    Record<keyof Bound, unknown>
  >;
  const rates = [requestsPerMinute, tokensPerMinute];
  return (
    isText(id) &&
    typeof places === 'boolean' &&
    typeof budget === 'boolean' &&
    rates.every((rate) => rate === null || isPlaces(rate))
  );
}

/** `infinity` arrives as a number, and is no moment either. */
function isMoment(value: unknown): value is Date | null {
  return value === null || (value instanceof Date && !Number.isNaN(value.getTime()));
}
