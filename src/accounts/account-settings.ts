import type { AccountDto, CreateAccountDto, UpdateAccountDto } from './account.dto.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { maskProxyUrl } from '../upstream/proxy-url.ts';
import type { AccountSettings, AccountView } from './accounts.repository.ts';

/** What is wished, over what is there, over the defaults. */
export function settingsOf(
  wish: CreateAccountDto | UpdateAccountDto,
  upstream: Upstream,
  before?: AccountView,
): AccountSettings {
  return {
    name: wish.name ?? before?.name ?? '',
    kind: before?.kind ?? ('kind' in wish ? wish.kind : ''),
    baseUrl: wish.baseUrl === undefined ? (before?.baseUrl ?? null) : wish.baseUrl,
    priority: wish.priority ?? before?.priority ?? 50,
    weight: wish.weight ?? before?.weight ?? 1,
    maxConcurrency: wish.maxConcurrency ?? before?.maxConcurrency ?? 0,
    models: wish.models === undefined ? (before?.models ?? null) : wish.models,
    onClientLeave: wish.onClientLeave ?? before?.onClientLeave ?? upstream.onClientLeave ?? 'cancel',
    enabled: wish.enabled ?? before?.enabled ?? true,
    shownProxyUrl: shownProxyOf(wish.proxyUrl, before),
    settings: wish.credentials === undefined ? (before?.settings ?? {}) : plainOf(wish.credentials, upstream),
  };
}

function shownProxyOf(wished: string | null | undefined, before: AccountView | undefined): string | null {
  if (wished === undefined) return before?.shownProxyUrl ?? null;
  return wished === null ? null : maskProxyUrl(wished);
}

/** The fields that the kind names as no secrets. */
function plainOf(
  credentials: Readonly<Record<string, unknown>>,
  upstream: Upstream,
): Readonly<Record<string, string>> {
  const plain = upstream.plainCredentials ?? [];
  const fields = Object.entries(textsOf(credentials)).filter(([name]) => plain.includes(name));
  return Object.fromEntries(fields);
}

/** Credential values that were checked, as they are sealed. */
export function textsOf(credentials: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(credentials).map(([name, value]) => [name, String(value)]));
}

/** An account as the audit log keeps it: of a credential only which fields were set. */
export function masked(
  view: AccountView,
  credentials?: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const {
    cooldowns: _,
    inUse: __,
    version: ___,
    createdAt: ____,
    updatedAt: _____,
    shownProxyUrl,
    ...settings
  } = view;
  return {
    ...settings,
    proxyUrl: shownProxyUrl,
    ...(credentials && { credentialFields: Object.keys(credentials).sort() }),
  };
}

/** An account as administrators read it: field by field, so that nothing joins the answer by accident. */
export function shown(view: AccountView): AccountDto {
  return {
    id: view.id,
    name: view.name,
    kind: view.kind,
    baseUrl: view.baseUrl,
    proxyUrl: view.shownProxyUrl,
    priority: view.priority,
    weight: view.weight,
    maxConcurrency: view.maxConcurrency,
    models: view.models as AccountDto['models'],
    groups: [...view.groups],
    onClientLeave: view.onClientLeave,
    enabled: view.enabled,
    health: { cooldowns: [...view.cooldowns] },
    inUse: view.inUse,
    credentialsVersion: view.credentialsVersion,
    createdAt: view.createdAt.toISOString(),
    updatedAt: view.updatedAt.toISOString(),
  };
}
