import { Injectable } from '@nestjs/common';
import { AccountDirectory } from '../accounts/account-directory.ts';
import { ConfigWatch } from '../database/config-watch.ts';
import { DatabaseUnavailable } from '../database/database-unavailable.ts';
import { type Call, CallError } from '../dialects/dialect.ts';
import { RelayError } from '../errors/relay-error.ts';
import type { ApiKey } from '../keys/api-key.ts';
import { KeyDirectory } from '../keys/key-directory.ts';
import {
  AdmissionUnavailable,
  type Bound,
  type Decision,
  type Patience,
  type Refusal,
} from '../scheduler/admission.ts';
import type { AttemptDecision, ConsideredAccount } from '../scheduler/decision.ts';
import { Scheduler } from '../scheduler/scheduler.ts';
import type { Account } from '../upstream/account.ts';
import { UpstreamRegistry } from '../upstream/upstream-registry.ts';
import { affinityOf, sessionDigest } from './affinity.ts';
import { consideredAs } from './considered.ts';
import { CandidateMemo, type KnownCandidates, type Manner } from './candidate-memo.ts';
import type { CallForms } from './call-forms.ts';
import { type Way, wayTo } from './candidates.ts';
import { leftError } from './cut.ts';
import type { Exchange } from './exchange.ts';
import { Holds } from './holds.ts';
import { Left } from './flow.ts';
import { graceTerms } from './grace-terms.ts';
import { noCandidate } from './no-candidate.ts';
import { refusedAdmission } from './refused-admission.ts';
import type { Chance, Try } from './try.ts';

/** How often a decision made on settings that changed meanwhile is made again. */
const MAX_STALE = 3;

type Refused = Extract<Decision, { admitted: false }>;

type Admitted = Extract<Decision, { admitted: true }>;

/** Which account serves a call: asks the scheduler with what the settings say, and again when they have changed. */
@Injectable()
export class Assigner {
  constructor(
    private readonly keys: KeyDirectory,
    private readonly accounts: AccountDirectory,
    private readonly registry: UpstreamRegistry,
    private readonly memo: CandidateMemo,
    private readonly holds: Holds,
    private readonly watch: ConfigWatch,
    private readonly scheduler: Scheduler,
  ) {}

  /** One round trip gives the account and the lease. @throws RelayError when nothing was taken */
  async first(exchange: Exchange, call: Call, forms: CallForms): Promise<Try> {
    let { key } = exchange.caller;
    const arrivedAt = performance.now();
    for (let asked = 0; asked < MAX_STALE; asked += 1) {
      // Perhaps an account was made on another replica, and its hint is still on the way.
      if (this.memo.of(call, key).length === 0) await this.watch.refresh();
      const chance = await this.chance(call, forms, key);
      const decision = await this.ask(exchange, call, chance, arrivedAt);
      if (decision.admitted) {
        return this.tryOf(call, forms, decision, chance, waitOf(exchange, 0));
      }
      if (decision.refusal !== 'stale') throw refusedAdmission(decision, call.model);
      key = await this.reread(exchange, key);
    }
    throw new RelayError('admission-unavailable', 'The settings are changing; try again', 1);
  }

  /**
   * The next attempt of the same call, on one of those of its pool that `wanted` lets pass. Where these are full, it
   * waits until `until` at most, by `performance.now()`.
   * @returns a refusal when nobody can serve it: the call then holds no account's place any more
   */
  async next(
    exchange: Exchange,
    forms: CallForms,
    one: Try,
    wanted: (accountId: string) => boolean,
    until: number,
    preferredAccountId?: string,
  ): Promise<Try | Refused> {
    const { call, lease } = one;
    let chance: Chance = one;
    const waitedBefore = exchange.waitedMs;
    for (let asked = 0; ; asked += 1) {
      const candidates = chance.pool.filter(({ accountId }) => wanted(accountId));
      if (candidates.length === 0) return { admitted: false, refusal: 'no-account' };
      const request = {
        lease,
        keyVersion: chance.key.version,
        candidates,
        kindOf: (id: string) => this.accounts.get(id)?.kind ?? '',
        unpriced: this.holds.unpriced(call, chance),
        // One that may not be tried again is no candidate, and then not preferred either.
        preferredAccountId: preferredAccountId ?? one.bound?.accountId,
      };
      const patience = { ...patienceOf(exchange, exchange.receivedAt), until };
      const decision = await this.scheduler.move(request, patience).catch(asTold);
      if (decision.admitted) {
        const passed = passedOver(chance, wanted, one.bound);
        const how = { ...waitOf(exchange, waitedBefore), ...(passed.length > 0 && { passed }) };
        return this.tryOf(call, forms, { ...decision, ...(one.bound && { bound: one.bound }) }, chance, how);
      }
      if (decision.refusal !== 'stale' || asked === MAX_STALE) return decision;
      chance = await this.chance(call, forms, await this.reread(exchange, chance.key));
    }
  }

  private async chance(call: Call, forms: CallForms, key: ApiKey): Promise<Chance> {
    const accounts = this.accounts.all();
    const known = this.memo.with(call, key);
    if (known.candidates.length === 0) {
      throw noCandidate(call, this.memo.of({ ...call, operation: 'generate' }, key).length > 0);
    }
    const unable = await this.inexpressible(forms, known);
    // The same array for as long as it is the same: calls of one batch send it once.
    const { pool, unsaid } = this.memo.without(known, unable);
    const { considered } = known;
    return { key, accounts, pool, unsaid, considered, session: sessionDigest(key.id, call) };
  }

  /**
   * Manners whose dialect cannot say the whole call. @throws RelayError naming what none of them can say, before anything
   * is taken
   */
  private async inexpressible(forms: CallForms, known: KnownCandidates): Promise<ReadonlySet<Manner>> {
    const unable = new Set<Manner>();
    let unsaid: CallError | undefined;
    for (const manner of known.manners) {
      try {
        await forms.of(manner.dialect, manner.model);
      } catch (error) {
        if (!(error instanceof CallError)) throw error;
        unsaid ??= error;
        unable.add(manner);
      }
    }
    if (unsaid !== undefined && unable.size === known.manners.length) {
      throw new RelayError('call-invalid', unsaid.message);
    }
    return unable;
  }

  private wayTo(call: Call, account: Account | undefined): (Way & { readonly account: Account }) | undefined {
    const way = account && wayTo(call, account, this.registry.get(account.kind));
    return way && { account, ...way };
  }

  private async ask(exchange: Exchange, call: Call, chance: Chance, arrivedAt: number): Promise<Decision> {
    const { key, pool, accounts, session } = chance;
    const request = {
      requestId: exchange.requestId,
      clientRequestId: exchange.clientRequestId,
      keyId: key.id,
      keyVersion: key.version,
      lane: call.lane,
      door: exchange.door,
      model: call.model,
      candidates: pool,
      kindOf: (id: string) => this.accounts.get(id)?.kind ?? '',
      grace: graceTerms(key, accounts),
      hold: this.holds.of(call, chance),
      session,
      preferredAccountId: undefined,
    };
    exchange.heldNanos = request.hold?.nanos ?? null;
    try {
      return await this.scheduler.admit(request, patienceOf(exchange, arrivedAt)).catch(asTold);
    } catch (error) {
      if (!(error instanceof AdmissionUnavailable)) throw error;
      throw unavailable();
    }
  }

  /** The key as it is now, after all settings were read again. */
  private async reread(exchange: Exchange, key: ApiKey): Promise<ApiKey> {
    await this.watch.refresh();
    const fresh = await this.keys.reread(key).catch((error: unknown) => {
      throw error instanceof DatabaseUnavailable ? unavailable() : error;
    });
    if (fresh === undefined) throw new RelayError('key-missing', 'The API key is missing or not valid');
    if (!fresh.scopes.includes(exchange.door)) {
      throw new RelayError('door-closed', `This key may not use the ${exchange.door} API`);
    }
    return fresh;
  }

  /** By the settings that the candidates were chosen from: an edit may have come in since, and what was admitted is sent. */
  private async tryOf(
    call: Call,
    forms: CallForms,
    { lease, bound }: Admitted,
    chance: Chance,
    how: Omit<AttemptDecision, 'affinity'>,
  ): Promise<Try> {
    const chosen = chance.accounts.find(({ id }) => id === lease.accountId);
    const way = this.wayTo(call, chosen);
    if (way === undefined) throw new Error(`Account ${lease.accountId} was chosen but is not known`);
    const { account, upstream, model, dialect } = way;
    const { key, accounts, pool, considered, session } = chance;
    // Made before admission from the same settings, so that nothing can be refused now.
    const sent = await forms.of(dialect, model);
    const serves = (id: string): boolean => this.memo.of(call, key).some(({ accountId }) => accountId === id);
    const affinity = affinityOf(call, bound, account.id, serves);
    const { unsaid } = chance;
    const isTold = (id: string): boolean => considered.ids.has(id) || id === bound?.accountId;
    const unsaidHere = unsaid.filter(isTold);
    const unpriced = this.unpricedFor(call, chance).filter(isTold);
    const beside = this.beside(call, chance, [account.id, bound?.accountId]);
    const decision = {
      affinity,
      ...(bound && bound.accountId !== account.id && boundTo(bound)),
      ...how,
      ...(unsaidHere.length > 0 && { unsaid: unsaidHere }),
      ...(unpriced.length > 0 && { unpriced }),
      ...(beside.length > 0 && { beside }),
    };
    const by = { key, accounts, pool, unsaid, considered, session };
    return { call, sent, lease, account, upstream, model, bound, decision, ...by };
  }

  /** Those that a budget keeps from serving. */
  private unpricedFor(call: Call, chance: Chance): readonly string[] {
    const keepsBudget = chance.key.bounds.some(({ budget }) => budget);
    return keepsBudget ? [...(this.holds.unpriced(call, chance) ?? [])] : [];
  }

  /** Accounts that are to be told of, and that the list of those considered leaves out. */
  private beside(
    call: Call,
    { key, accounts, considered }: Chance,
    ids: readonly (string | undefined)[],
  ): readonly ConsideredAccount[] {
    if (ids.every((id) => id === undefined || considered.ids.has(id))) return [];
    return accounts
      .filter(({ id }) => ids.includes(id) && !considered.ids.has(id))
      .map((account) => consideredAs(call, key, account, this.registry.get(account.kind)));
  }
}

/** How it waited since its wait came to `before`. */
function waitOf(
  { waitedMs, waitedFor }: Exchange,
  before: number,
): Pick<AttemptDecision, 'waitedMs' | 'waitedFor'> {
  const ms = waitedMs - before;
  return ms > 0 && waitedFor !== undefined ? { waitedMs: Math.round(ms), waitedFor } : { waitedMs: 0 };
}

function passedOver(
  { pool, considered }: Chance,
  wanted: (accountId: string) => boolean,
  bound: Bound | undefined,
): readonly string[] {
  return pool
    .map(({ accountId }) => accountId)
    .filter((id) => !wanted(id) && (considered.ids.has(id) || id === bound?.accountId));
}

function boundTo({ accountId, isParked }: Bound): Pick<AttemptDecision, 'bound' | 'parked'> {
  return { bound: accountId, ...(isParked && { parked: true }) };
}

/** A call waits for as long as its client does. */
function patienceOf(exchange: Exchange, arrivedAt: number): Patience {
  const waited = (ms: number, refusal: Refusal): void => {
    exchange.waitedMs += ms;
    exchange.waitedFor = refusal;
  };
  return { arrivedAt, signal: exchange.flow.signal, waited };
}

/** @throws RelayError where the client left, or the process must end, while the call waited */
function asTold(error: unknown): never {
  throw error instanceof Left ? leftError(error) : error;
}

function unavailable(): RelayError {
  return new RelayError('admission-unavailable', 'The relay cannot admit requests just now; try again', 2);
}
