import type { CreateKeyDto, KeyDto, UpdateKeyDto } from './key.dto.ts';
import { changedLimits, type Limits, NO_LIMITS, showLimits } from './limits.ts';

/** What an administrator sets on a key. */
export interface KeySettings {
  readonly name: string;
  readonly scopes: readonly string[];
  readonly models: readonly string[];
  readonly accounts: readonly string[] | null;
  readonly groups: readonly string[] | null;
  readonly bindingPolicy: 'strict' | 'fallback';
  readonly limits: Limits;
  /** Null: its spend counts on no team. */
  readonly team: string | null;
  readonly tags: readonly string[];
  readonly enabled: boolean;
  readonly expiresAt: Date | null;
}

/** A key as administrators see it. */
export interface KeyRecord extends KeySettings {
  readonly id: string;
  readonly prefix: string;
  readonly revokedAt: Date | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** Deny by default: no doors, no models. */
const NEW_KEY: Omit<KeySettings, 'name'> = {
  scopes: [],
  models: [],
  accounts: null,
  groups: null,
  bindingPolicy: 'strict',
  limits: NO_LIMITS,
  team: null,
  tags: [],
  enabled: true,
  expiresAt: null,
};

export function settingsOfNewKey(wish: CreateKeyDto): KeySettings {
  return changedSettings(wish, { ...NEW_KEY, name: wish.name });
}

/** What the wish leaves out stays; null clears. */
export function changedSettings(wish: CreateKeyDto | UpdateKeyDto, before: KeySettings): KeySettings {
  const or = <T>(value: T | undefined, old: T): T => (value === undefined ? old : value);
  return {
    name: or(wish.name, before.name),
    scopes: or(wish.scopes, before.scopes),
    models: or(wish.models, before.models),
    accounts: or(ids(wish.accounts), before.accounts),
    groups: or(ids(wish.groups), before.groups),
    bindingPolicy: or(wish.bindingPolicy, before.bindingPolicy),
    limits: changedLimits(wish.limits, before.limits),
    team: or(wish.team && wish.team.toLowerCase(), before.team),
    tags: or(wish.tags, before.tags),
    enabled: or(wish.enabled, before.enabled),
    expiresAt: or(moment(wish.expiresAt), before.expiresAt),
  };
}

export function showKey(record: KeyRecord, secret?: string): KeyDto {
  return {
    id: record.id,
    name: record.name,
    prefix: record.prefix,
    ...(secret === undefined ? {} : { key: secret }),
    scopes: [...record.scopes],
    models: [...record.models],
    accounts: record.accounts === null ? null : [...record.accounts],
    groups: record.groups === null ? null : [...record.groups],
    bindingPolicy: record.bindingPolicy,
    limits: showLimits(record.limits),
    team: record.team,
    tags: [...record.tags],
    enabled: record.enabled,
    expiresAt: record.expiresAt?.toISOString() ?? null,
    revokedAt: record.revokedAt?.toISOString() ?? null,
    createdAt: record.createdAt.toISOString(),
    updatedAt: record.updatedAt.toISOString(),
  };
}

/** As Postgres writes them, each once, in their order. */
function ids(given: readonly string[] | null | undefined): string[] | null | undefined {
  return given && [...new Set(given.map((id) => id.toLowerCase()))];
}

function moment(given: string | null | undefined): Date | null | undefined {
  return typeof given === 'string' ? new Date(given) : given;
}
