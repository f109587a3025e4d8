import { Injectable } from '@nestjs/common';
import type { Observable } from 'rxjs';
import { AccountDirectory } from '../accounts/account-directory.ts';
import { ConfigWatch } from '../database/config-watch.ts';
import { DatabaseUnavailable } from '../database/database-unavailable.ts';
import { type Call, CallError } from '../dialects/dialect.ts';
import { RelayError } from '../errors/relay-error.ts';
import type { ApiKey } from '../keys/api-key.ts';
import { KeyDirectory } from '../keys/key-directory.ts';
import { AdmissionUnavailable, type Candidate, type Lease } from '../scheduler/admission.ts';
import { Scheduler } from '../scheduler/scheduler.ts';
import type { Account } from '../upstream/account.ts';
import { UpstreamRegistry } from '../upstream/upstream-registry.ts';
import { Attempt } from './attempt.ts';
import { CandidateMemo } from './candidate-memo.ts';
import { CallForms } from './call-forms.ts';
import { type Way, wayTo } from './candidates.ts';
import type { Exchange } from './exchange.ts';
import { noCandidate } from './no-candidate.ts';
import { OpenRuns } from './open-runs.ts';
import { refusedAdmission } from './refused-admission.ts';
import type { RelayEvent } from './relay-event.ts';
import { relayObservable } from './relay-observable.ts';
import type { Try } from './try.ts';

/** How many accounts one call may try. Failover inside a call is not built yet: the loop is. */
const MAX_ATTEMPTS = 1;
/** How often a decision made on settings that changed meanwhile is made again. */
const MAX_STALE = 3;

/** THE river: from a call that was read to its answer, over one or more attempts. */
@Injectable()
export class Pipeline {
  constructor(
    private readonly keys: KeyDirectory,
    private readonly accounts: AccountDirectory,
    private readonly registry: UpstreamRegistry,
    private readonly memo: CandidateMemo,
    private readonly watch: ConfigWatch,
    private readonly scheduler: Scheduler,
    private readonly attempt: Attempt,
    private readonly runs: OpenRuns,
  ) {}

  /** @param release gives the request body's share of memory back; called once, as early as can be */
  open(exchange: Exchange, call: Call, release: () => void): Observable<RelayEvent> {
    exchange.lane = call.lane;
    const forms = new CallForms(call);
    exchange.forgetBody = () => {
      void forms.forget();
      exchange.forgetBody = () => undefined;
      release();
    };
    return relayObservable(
      exchange.flow,
      () => this.run(exchange, call, forms),
      (run) =>
        this.runs.track(
          exchange.flow,
          run.finally(() => exchange.forgetBody()),
        ),
    );
  }

  private async *run(exchange: Exchange, call: Call, forms: CallForms): AsyncGenerator<RelayEvent, void> {
    for (;;) {
      const one = await this.admit(exchange, call, forms);
      exchange.attempts += 1;
      const miss = yield* this.attempt.run(exchange, one);
      if (miss === undefined) return;
      if (!miss.elsewhere || exchange.attempts >= MAX_ATTEMPTS || exchange.flow.signal.aborted)
        throw miss.error;
    }
  }

  /** One round trip gives the account and the lease. @throws RelayError when nothing was taken */
  private async admit(exchange: Exchange, call: Call, forms: CallForms): Promise<Try> {
    let key = exchange.caller.key;
    for (let asked = 0; asked < MAX_STALE; asked += 1) {
      // Perhaps an account was made on another replica, and its hint is still on the way.
      if (this.memo.of(call, key).length === 0) await this.watch.refresh();
      const accounts = this.accounts.all();
      const candidates = await this.expressible(call, forms, this.candidates(call, key), accounts);
      const decision = await this.ask(exchange, call, key, candidates);
      if (decision.admitted) return this.tryOf(call, forms, decision.lease, accounts, candidates);
      if (decision.refusal !== 'stale') throw refusedAdmission(decision);
      key = await this.reread(exchange, key);
    }
    throw new RelayError('admission-unavailable', 'The settings are changing; try again', 1);
  }

  private candidates(call: Call, key: ApiKey): readonly Candidate[] {
    const candidates = this.memo.of(call, key);
    if (candidates.length > 0) return candidates;
    throw noCandidate(call, this.memo.of({ ...call, operation: 'generate' }, key).length > 0);
  }

  /**
   * Those whose dialect can say the whole call. @throws RelayError naming what none of them can say, before anything is
   * taken
   */
  private async expressible(
    call: Call,
    forms: CallForms,
    candidates: readonly Candidate[],
    accounts: readonly Account[],
  ): Promise<readonly Candidate[]> {
    const able: Candidate[] = [];
    let unsaid: CallError | undefined;
    for (const candidate of candidates) {
      const way = this.wayTo(call, accounts, candidate.accountId);
      try {
        if (way !== undefined) await forms.of(way.dialect, way.model);
        able.push(candidate);
      } catch (error) {
        if (!(error instanceof CallError)) throw error;
        unsaid ??= error;
      }
    }
    if (able.length === 0 && unsaid !== undefined) throw new RelayError('call-invalid', unsaid.message);
    // The same array for as long as it is the same: calls of one batch send it once.
    return able.length === candidates.length ? candidates : able;
  }

  private wayTo(
    call: Call,
    accounts: readonly Account[],
    id: string,
  ): (Way & { readonly account: Account }) | undefined {
    const account = accounts.find((one) => one.id === id);
    const way = account && wayTo(call, account, this.registry.get(account.kind));
    return way && { ...way, account };
  }

  private async ask(exchange: Exchange, call: Call, key: ApiKey, candidates: readonly Candidate[]) {
    try {
      return await this.scheduler.admit({
        requestId: exchange.requestId,
        keyId: key.id,
        keyVersion: key.version,
        lane: call.lane,
        door: exchange.door,
        model: call.model,
        candidates,
        kindOf: (id) => this.accounts.get(id)?.kind ?? '',
      });
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

  /**
   * @param accounts what the candidates were chosen from: an edit may have come in since, and what was admitted is what
   * is sent
   */
  private async tryOf(
    call: Call,
    forms: CallForms,
    lease: Lease,
    accounts: readonly Account[],
    pool: readonly Candidate[],
  ): Promise<Try> {
    const way = this.wayTo(call, accounts, lease.accountId);
    if (way === undefined) throw new Error(`Account ${lease.accountId} was chosen but is not known`);
    const { account, upstream, model, dialect } = way;
    // Made before admission from the same settings, so that nothing can be refused now.
    return { call, sent: await forms.of(dialect, model), lease, account, upstream, model, pool };
  }
}

function unavailable(): RelayError {
  return new RelayError('admission-unavailable', 'The relay cannot admit requests just now; try again', 2);
}
