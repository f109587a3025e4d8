import { Inject, Injectable } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import { AccountDirectory } from '../accounts/account-directory.ts';
import { ENV } from '../config/config.module.ts';
import type { Env } from '../config/env.ts';
import { AdmissionUnavailable, type Decision } from '../scheduler/admission.ts';
import { backoffMs } from '../scheduler/backoff.ts';
import { Scheduler } from '../scheduler/scheduler.ts';
import { orCut } from '../upstream/or-cut.ts';
import { UpstreamRegistry } from '../upstream/upstream-registry.ts';
import { Assigner } from './assigner.ts';
import type { CallForms } from './call-forms.ts';
import type { Exchange } from './exchange.ts';
import { Journal } from './journal.ts';
import type { SettledMiss } from './miss.ts';
import { originOf } from './origin.ts';
import { RetryRatio } from './retry-ratio.ts';
import type { Try } from './try.ts';

/** Before an overloaded vendor is asked again. */
const BACKOFF_MS = { first: 400, most: 1_000 };

/** A try of the next account, or why there is none: a refusal of the scheduler, or nothing more to be tried. */
export type Next =
  | { readonly one: Try }
  | { readonly one: undefined; readonly refused?: Extract<Decision, { admitted: false }> };

const NONE: Next = { one: undefined };

/** Where a call goes on after a miss: which accounts, after what pause, and whether at all. */
interface Way {
  readonly wanted: (accountId: string) => boolean;
  readonly preferred?: string;
  readonly pauseMs?: number;
  readonly anew?: boolean;
}

/**
 * Failover inside a call, before its first byte: another account, within a number of attempts, a time, and a share of
 * all calls. Each attempt was settled by itself; the one that stays the last is settled once more as final here,
 * whatever happens on the way.
 */
@Injectable()
export class Failover {
  private readonly ratio = new RetryRatio();

  constructor(
    private readonly assigner: Assigner,
    private readonly scheduler: Scheduler,
    private readonly accounts: AccountDirectory,
    private readonly registry: UpstreamRegistry,
    private readonly journal: Journal,
    @Inject(ENV) private readonly env: Pick<Env, 'maxAttempts' | 'failoverMs'>,
  ) {}

  callBegan(): void {
    this.ratio.began();
  }

  callEnded(): void {
    this.ratio.ended();
  }

  /**
   * @param misses all of this call, the last one of the try `one`
   * @throws RelayError when the key may not call any more
   */
  async next(exchange: Exchange, forms: CallForms, one: Try, misses: readonly SettledMiss[]): Promise<Next> {
    let next = NONE;
    try {
      next = await this.decide(exchange, forms, one, misses);
      return next;
    } finally {
      const settlement = misses.at(-1)?.settlement;
      if (next.one === undefined && settlement?.final === false) {
        void this.scheduler.settle({ ...settlement, final: true });
      }
    }
  }

  private async decide(
    exchange: Exchange,
    forms: CallForms,
    one: Try,
    misses: readonly SettledMiss[],
  ): Promise<Next> {
    const last = misses.at(-1);
    if (last === undefined || last.settlement.final || !this.mayGoOn(exchange, misses.length)) return NONE;
    const way = this.wayFrom(one, misses);
    if (way === undefined) return NONE;
    if (!this.ratio.take(last.free)) {
      this.journal.failover(last.blame, 'over-ratio');
      return NONE;
    }
    if (way.pauseMs !== undefined && !(await this.pause(exchange, way.pauseMs))) return NONE;
    try {
      const until = exchange.receivedAt + this.env.failoverMs;
      const next = await this.assigner.next(exchange, forms, one, way.wanted, until, way.preferred);
      this.journal.failover(last.blame, 'lease' in next ? 'moved' : 'refused');
      if (!('lease' in next)) return { one: undefined, refused: next };
      return { one: { ...next, anew: way.anew === true, answered: () => this.ratio.helped() } };
    } catch (error) {
      if (!(error instanceof AdmissionUnavailable)) throw error;
      return NONE;
    }
  }

  private mayGoOn({ flow, receivedAt }: Exchange, attempts: number): boolean {
    const { maxAttempts, failoverMs } = this.env;
    return attempts < maxAttempts && performance.now() - receivedAt < failoverMs && !flow.signal.aborted;
  }

  private wayFrom(one: Try, misses: readonly SettledMiss[]): Way | undefined {
    const tried = new Set(misses.map(({ settlement }) => settlement.accountId));
    const untried = one.pool.filter(({ accountId }) => !tried.has(accountId));
    const isUntried = (accountId: string): boolean => !tried.has(accountId);
    switch (misses.at(-1)?.blame) {
      case 'connection': {
        // Once, where it is: the account is well, only the connection was old.
        const again = misses.filter(({ blame }) => blame === 'connection').length === 1;
        if (!again) return untried.length === 0 ? undefined : { wanted: isUntried };
        const own = one.account.id;
        return { wanted: (id) => id === own || isUntried(id), preferred: own, anew: true };
      }
      case 'overload':
        return this.wayFromOverload(
          one,
          untried.map(({ accountId }) => accountId),
          misses,
        );
      case 'account':
      case 'vendor':
        return untried.length === 0 ? undefined : { wanted: isUntried };
      case 'relay':
      case undefined:
        return undefined;
    }
  }

  /** Somewhere else at once; at the same origin once, after a pause, since its accounts meet the same. */
  private wayFromOverload(
    one: Try,
    untried: readonly string[],
    misses: readonly SettledMiss[],
  ): Way | undefined {
    const origin = originOf(one.account, one.upstream);
    const apart = new Set(untried.filter((id) => this.originOf(id) !== origin));
    if (apart.size > 0) return { wanted: (id) => apart.has(id) };
    if (untried.length === 0 || misses.filter(({ blame }) => blame === 'overload').length > 1)
      return undefined;
    const told = misses.at(-1)?.backInMs ?? 0;
    const pauseMs = Math.max(backoffMs(0, BACKOFF_MS.first, BACKOFF_MS.most), told);
    return pauseMs > BACKOFF_MS.most ? undefined : { wanted: (id) => untried.includes(id), pauseMs };
  }

  private originOf(accountId: string): string | undefined {
    const account = this.accounts.get(accountId);
    const upstream = account && this.registry.get(account.kind);
    return account && upstream && originOf(account, upstream);
  }

  /** False when the client left meanwhile. */
  private async pause({ flow: { signal } }: Exchange, ms: number): Promise<boolean> {
    if (signal.aborted) return false;
    return orCut(sleep(ms, true), signal).catch(() => false);
  }
}
