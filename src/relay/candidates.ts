import { matchesAny } from '../dialects/model-pattern.ts';
import type { Call, DialectName } from '../dialects/dialect.ts';
import type { ApiKey } from '../keys/api-key.ts';
import type { Candidate } from '../scheduler/admission.ts';
import type { Account } from '../upstream/account.ts';
import { translatable } from '../translation/translation.ts';
import type { Upstream } from '../upstream/upstream.ts';

/** The account's own name for a model, or undefined when its policy does not have it. */
export function upstreamModel(account: Account, upstream: Upstream, model: string): string | undefined {
  const mapped = account.models?.map;
  if (mapped !== undefined && Object.hasOwn(mapped, model)) return mapped[model];
  const own = upstream.modelName?.(model, account);
  const allowed = account.models?.allow;
  if (allowed !== undefined) {
    const listed = [model, own ?? model].some((name) => matchesAny(allowed, name));
    return listed ? (own ?? model) : undefined;
  }
  if (upstream.modelName !== undefined) return own;
  return matchesAny(upstream.defaultModels, model) ? model : undefined;
}

/** The dialect a call is asked in at an account that has its model: its own, or the first it can be translated into. */
function dialectAt(
  call: Pick<Call, 'dialect' | 'operation' | 'model'>,
  upstream: Upstream,
  model: string,
): DialectName | undefined {
  const spoken = upstream.speaks(call.model, model);
  if (spoken.includes(call.dialect)) return call.dialect;
  return spoken.find((dialect) => translatable(call.dialect, dialect, call.operation));
}

/** Model names that share a limit: the name without a date or revision at its end. */
export function modelFamily(model: string): string {
  return model.replace(/(-\d{8}|-\d{3}|@\d+|-latest)$/, '');
}

/** To which accounts a key is bound. */
type Bound = Pick<ApiKey, 'accounts' | 'groups' | 'bindingPolicy'>;

/**
 * The tier of an account for a key: bound accounts first, then the groups in their order, then (with `fallback`) the
 * shared pool. An unbound key sees every account in tier 0. Undefined: not for this key.
 */
export function tierOf(key: Bound, account: Account): number | undefined {
  if (key.accounts === null && key.groups === null) return 0;
  if (key.accounts?.includes(account.id) === true) return 0;
  const group = key.groups?.findIndex((id) => account.groups.includes(id)) ?? -1;
  if (group >= 0) return 1 + group;
  return key.bindingPolicy === 'fallback' ? 1 + (key.groups?.length ?? 0) : undefined;
}

/** How one account is asked a call. */
export interface Way {
  readonly upstream: Upstream;
  /** The account's own name for the model. */
  readonly model: string;
  readonly dialect: DialectName;
}

/** Undefined: the account does not serve this call. */
export function wayTo(
  call: Pick<Call, 'dialect' | 'operation' | 'model'>,
  account: Account,
  upstream: Upstream | undefined,
): Way | undefined {
  const model = upstream && upstreamModel(account, upstream, call.model);
  if (upstream === undefined || model === undefined) return undefined;
  const dialect = dialectAt(call, upstream, model);
  return dialect && { upstream, model, dialect };
}

/**
 * Why an account does not serve a call, by the settings alone: it is not `enabled`; its `kind` is unknown to this build;
 * its policy does not have the `model`; its kind neither speaks the client's `dialect` nor is translated to; the key's
 * `binding` leaves it out.
 */
export type Unfit = 'disabled' | 'kind' | 'model' | 'dialect' | 'binding';

export type AskedCall = Pick<Call, 'dialect' | 'operation' | 'model' | 'otherModels'>;

/** The account as a candidate for the call, or why it is none. */
export function fitOf(
  call: AskedCall,
  key: Bound,
  account: Account,
  upstream: Upstream | undefined,
): Candidate | Unfit {
  if (!account.enabled) return 'disabled';
  if (upstream === undefined) return 'kind';
  const model = upstreamModel(account, upstream, call.model);
  if (model === undefined) return 'model';
  if (dialectAt(call, upstream, model) === undefined) return 'dialect';
  const tier = tierOf(key, account);
  if (tier === undefined) return 'binding';
  return { accountId: account.id, version: account.version, tier, modelFamily: modelFamily(model) };
}

/** A body may name models that run beside the main one; the key must be allowed every one of them. */
export function mayCall(key: ApiKey, call: AskedCall): boolean {
  if (!matchesAny(key.models, call.model)) return false;
  return call.otherModels?.every((model) => matchesAny(key.models, model)) ?? true;
}

/** Every account that serves such a call for a key that is bound so; what models the key may call is {@link mayCall}. */
export function candidatesFor(
  call: AskedCall,
  key: Bound,
  accounts: readonly Account[],
  upstreamOf: (kind: string) => Upstream | undefined,
): readonly Candidate[] {
  return accounts
    .map((account) => fitOf(call, key, account, upstreamOf(account.kind)))
    .filter((fit) => typeof fit !== 'string');
}
