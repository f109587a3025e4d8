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
import { UpstreamRegistry } from '../upstream/upstream-registry.ts';
import { affinityOf, sessionDigest } from './affinity.ts';
import { consideredAs } from './considered.ts';
import { CandidateMemo, type KnownCandidates, type Manner } from './candidate-memo.ts';
import type { CallForms } from './call-forms.ts';
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

const NONE: ReadonlySet<Manner> = new Set();
const NOBODY: readonly never[] = [];
const NOT_WAITED = { waitedMs: 0 };

type Refused = Extract<Decision, { admitted: false }>;

type Admitted = Extract<Decision, { admitted: true }>;

function kindsOf(accounts: AccountDirectory): (id: string) => string {
  return (id) => accounts.get(id)?.kind ?? '';
}

/** Which account serves a call: asks the scheduler with what the settings say, and again when they have changed. */
@Injectable()
export class Assigner {
  private readonly kindOf = kindsOf(this.accounts);

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
    const patience = patienceOf(exchange, performance.now());
    for (let asked = 0; asked < MAX_STALE; asked += 1) {
      // Perhaps an account was made on another replica, and its hint is still on the way.
      let known = this.memo.with(call, key);
      if (known.candidates.length === 0) {
        await this.watch.refresh();
        known = this.memo.with(call, key);
      }
      const chance = await this.chance(call, forms, key, known);
      const decision = await this.ask(exchange, call, chance, patience);
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
        kindOf: this.kindOf,
        unpriced: this.holds.unpriced(call, chance.known.accounts, chance.pool),
        // One that may not be tried again is no candidate, and then not preferred either.
        preferredAccountId: preferredAccountId ?? one.bound?.accountId,
      };
      const patience = { ...patienceOf(exchange, exchange.receivedAt), until };
      const decision = await this.scheduler.move(request, patience).catch(asTold);
      if (decision.admitted) {
        const passed = passedOver(chance, wanted, one.bound);
        const how = { ...waitOf(exchange, waitedBefore), passed: someOf(passed) };
        return this.tryOf(call, forms, { lease: decision.lease, bound: one.bound }, chance, how);
      }
      if (decision.refusal !== 'stale' || asked === MAX_STALE) return decision;
      const key = await this.reread(exchange, chance.key);
      chance = await this.chance(call, forms, key, this.memo.with(call, key));
    }
  }

  private async chance(call: Call, forms: CallForms, key: ApiKey, known: KnownCandidates): Promise<Chance> {
    if (known.candidates.length === 0) {
      throw noCandidate(call, this.memo.of({ ...call, operation: 'generate' }, key).length > 0);
    }
    const unable = await this.inexpressible(forms, known);
    // The same array for as long as it is the same: calls of one batch send it once.
    const { pool, unsaid } = this.memo.without(known, unable);
    return { key, known, pool, unsaid, session: sessionDigest(key.id, call) };
  }

  /**
   * Manners whose dialect cannot say the whole call. @throws RelayError naming what none of them can say, before anything
   * is taken
   */
  private async inexpressible(forms: CallForms, known: KnownCandidates): Promise<ReadonlySet<Manner>> {
    let unable: Set<Manner> | undefined;
    let unsaid: CallError | undefined;
    for (const manner of known.manners) {
      try {
        await forms.of(manner.dialect, manner.model);
      } catch (error) {
        if (!(error instanceof CallError)) throw error;
        unsaid ??= error;
        (unable ??= new Set()).add(manner);
      }
    }
    if (unsaid !== undefined && unable?.size === known.manners.length) {
      throw new RelayError('call-invalid', unsaid.message);
    }
    return unable ?? NONE;
  }

  private async ask(
    exchange: Exchange,
    call: Call,
    { key, known, pool, session }: Chance,
    patience: Patience,
  ): Promise<Decision> {
    const request = {
      requestId: exchange.requestId,
      clientRequestId: exchange.clientRequestId,
      keyId: key.id,
      keyVersion: key.version,
      lane: call.lane,
      door: exchange.door,
      model: call.model,
      candidates: pool,
      kindOf: this.kindOf,
      grace: graceTerms(key, known.accounts),
      hold: this.holds.of(call, known.accounts, pool),
      session,
      preferredAccountId: undefined,
    };
    exchange.heldNanos = request.hold?.nanos ?? null;
    try {
      return await this.scheduler.admit(request, patience);
    } catch (error) {
      if (error instanceof AdmissionUnavailable) throw unavailable();
      return asTold(error);
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
    { lease, bound }: Omit<Admitted, 'admitted'>,
    chance: Chance,
    how: Omit<AttemptDecision, 'affinity'>,
  ): Promise<Try> {
    const { key, known, pool, unsaid, session } = chance;
    const way = this.memo.wayTo(call, known, lease.accountId);
    if (way === undefined) throw new Error(`Account ${lease.accountId} was chosen but is not known`);
    const { account, upstream, model, dialect } = way;
    // Made before admission from the same settings, so that nothing can be refused now.
    const sent = await forms.of(dialect, model);
    const decision = this.decisionOf(call, account.id, bound, chance, how);
    return {
      call,
      sent,
      lease,
      account,
      upstream,
      model,
      bound,
      decision,
      key,
      known,
      pool,
      unsaid,
      session,
    };
  }

  private decisionOf(
    call: Call,
    taken: string,
    bound: Bound | undefined,
    chance: Chance,
    { waitedMs, waitedFor, passed }: Omit<AttemptDecision, 'affinity'>,
  ): AttemptDecision {
    const { key, known, unsaid } = chance;
    const serves = (id: string): boolean => this.memo.of(call, key).some(({ accountId }) => accountId === id);
    const isTold = (id: string): boolean => known.considered.ids.has(id) || id === bound?.accountId;
    const elsewhere = bound?.accountId === taken ? undefined : bound;
    return {
      affinity: affinityOf(call, bound, taken, serves),
      bound: elsewhere?.accountId,
      parked: elsewhere?.isParked === true ? true : undefined,
      waitedMs,
      waitedFor,
      unsaid: someOf(unsaid.filter(isTold)),
      passed,
      unpriced: someOf(this.unpricedFor(call, chance).filter(isTold)),
      beside: someOf(this.beside(call, chance, taken, bound)),
    };
  }

  /** Those that a budget keeps from serving. */
  private unpricedFor(call: Call, { key, known, pool }: Chance): readonly string[] {
    const keepsBudget = key.bounds.some(({ budget }) => budget);
    return keepsBudget ? [...(this.holds.unpriced(call, known.accounts, pool) ?? [])] : NOBODY;
  }

  /** The account taken and the bound one, where the list of those considered leaves them out. */
  private beside(
    call: Call,
    { key, known: { accounts, considered } }: Chance,
    taken: string,
    bound: Bound | undefined,
  ): readonly ConsideredAccount[] {
    const isListed = (id: string): boolean => considered.ids.has(id);
    if (isListed(taken) && (bound === undefined || isListed(bound.accountId))) return NOBODY;
    return accounts
      .filter(({ id }) => (id === taken || id === bound?.accountId) && !isListed(id))
      .map((account) => consideredAs(call, key, account, this.registry.get(account.kind)));
  }
}

/** How it waited since its wait came to `before`. */
function waitOf(
  { waitedMs, waitedFor }: Exchange,
  before: number,
): Pick<AttemptDecision, 'waitedMs' | 'waitedFor'> {
  const ms = waitedMs - before;
  return ms > 0 && waitedFor !== undefined ? { waitedMs: Math.round(ms), waitedFor } : NOT_WAITED;
}

function passedOver(
  { pool, known }: Chance,
  wanted: (accountId: string) => boolean,
  bound: Bound | undefined,
): readonly string[] {
  return pool
    .map(({ accountId }) => accountId)
    .filter((id) => !wanted(id) && (known.considered.ids.has(id) || id === bound?.accountId));
}

/** Nothing is told of none. */
function someOf<T>(all: readonly T[]): readonly T[] | undefined {
  return all.length > 0 ? all : undefined;
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
