import { Inject, Injectable } from '@nestjs/common';
import type { Logger } from 'pino';
import { setTimeout as sleep } from 'node:timers/promises';
import { AccountDirectory } from '../accounts/account-directory.ts';
import type { AnswerFailure } from '../dialects/dialect.ts';
import type { Lease } from '../scheduler/admission.ts';
import { Scheduler } from '../scheduler/scheduler.ts';
import type { Cooling } from '../scheduler/sql/cooldowns.ts';
import { PROBE_MS } from '../scheduler/sql/probes.ts';
import { LOGGER } from '../telemetry/logger.ts';
import { Metrics } from '../telemetry/metrics.ts';
import { UpstreamRegistry } from '../upstream/upstream-registry.ts';
import type { Verdict } from '../upstream/upstream.ts';
import { modelFamily } from './candidates.ts';
import { EJECTION, growing, type Rest, restFor } from './cooldown-policy.ts';
import { FailureWindow } from './failure-window.ts';
import { originOf } from './origin.ts';
import type { Try } from './try.ts';

/** A refusal waits so long for its cooldown to be written, so that the client's next call already knows of it. */
const PATIENCE_MS = 250;

/** Ends of an attempt that speak against its account, though it gave no verdict: it was not reached, or broke off. */
const BROKEN = new Set([
  'refused',
  'dns',
  'tls',
  'connect-timeout',
  'forbidden-address',
  'proxy-unreachable',
  'proxy-denied',
  'proxy-refused',
  'headers-timeout',
  'reset',
  'idle-timeout',
  'truncated',
  'unreadable',
  'upstream-unusable',
  'account-fault',
]);

/** What became of what an attempt said about its account. */
export interface Rested {
  /** The account rests from now on, and did not before. */
  readonly isNews: boolean;
  /** When it is there again by itself, as far as that is known. */
  readonly backInMs?: number | undefined;
}

const NOTHING: Rested = { isNews: false };

/**
 * What attempts say about their accounts. A verdict on an account becomes a cooldown at once; the vendor's trouble, and
 * connections that break, are counted on this process and take an account out for a moment when they are too many.
 * Nothing here fails a call: without the database nothing is written, and the next call meets the same trouble.
 *
 * The first attempt after a cooldown is a probe: its success opens the account, one failure is enough to rest again.
 *
 * State: the window of failures, those already being written, and probes that have succeeded.
 */
@Injectable()
export class AccountHealth {
  private readonly window = new FailureWindow();
  private readonly writing = new Set<string>();
  private readonly proven = new WeakSet<Lease>();

  constructor(
    private readonly scheduler: Scheduler,
    private readonly accounts: AccountDirectory,
    private readonly registry: UpstreamRegistry,
    private readonly metrics: Metrics,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  /** An answer's head came, or the caller was told of a mistake of its own. */
  answered(one: Try): void {
    this.window.succeeded(nameOf(one));
    one.answered?.();
    if (one.lease.probe !== true || this.proven.has(one.lease)) return;
    this.proven.add(one.lease);
    this.metrics.probed('proven');
    const { requestId } = one.lease;
    this.scheduler.rests.prove(one.account.id, modelFamily(one.model)).catch((error: unknown) => {
      this.log.warn({ err: error, requestId }, 'a probe could not be written; the next one is let in later');
    });
  }

  /** A probe that ends without proof lets the next call try; after its time another one may be at it already. */
  async probeEnded(one: Try, startedAt: number): Promise<void> {
    const { lease, account, model } = one;
    if (lease.probe !== true || this.proven.has(lease)) return;
    this.metrics.probed('unproven');
    if (performance.now() - startedAt > PROBE_MS - PATIENCE_MS) return;
    const given = this.scheduler.rests
      .giveBackProbe(account.id, modelFamily(model))
      .catch((error: unknown) => {
        this.log.warn({ err: error, requestId: lease.requestId }, 'a probe could not be given back');
      });
    await Promise.race([given, sleep(PATIENCE_MS, undefined, { ref: false })]);
  }

  async judged(one: Try, verdict: Verdict, status: number): Promise<Rested> {
    switch (verdict.at) {
      case 'client':
        this.answered(one);
        return NOTHING;
      case 'credential':
        // It was renewed, or parked, where it was refused.
        return NOTHING;
      case 'account': {
        const rest = restFor(verdict, modelFamily(one.model));
        if (rest === undefined) return NOTHING;
        const { isNews, backInMs } = await this.cool(one, rest, `HTTP ${status}`);
        return { isNews, backInMs: verdict.mend === 'person' ? undefined : backInMs };
      }
      case 'provider': {
        const backInMs = verdict.retryAfterMs;
        // Where all accounts meet the same overload, none is worse than another.
        if (verdict.everywhere === true && !this.hasOtherOrigin(one)) return { isNews: false, backInMs };
        return { isNews: (await this.failed(one, verdict.reason)).isNews, backInMs };
      }
    }
  }

  /** An error told inside a 2xx answer. */
  async told(one: Try, failure: AnswerFailure): Promise<void> {
    const verdict = one.upstream.judge({ status: 200, headers: {}, body: documentOf(failure) });
    await this.judged(one, verdict, failure.status ?? 200);
  }

  /** @param reason why the attempt ended, as it is booked */
  async broke(one: Try, reason: string): Promise<Rested> {
    return BROKEN.has(reason) ? this.failed(one, reason) : NOTHING;
  }

  private hasOtherOrigin(one: Try): boolean {
    const origin = originOf(one.account, one.upstream);
    return one.pool.some(({ accountId }) => {
      const account = this.accounts.get(accountId);
      if (account === undefined) return false;
      const upstream = this.registry.get(account.kind);
      return upstream !== undefined && originOf(account, upstream) !== origin;
    });
  }

  private async failed(one: Try, reason: string): Promise<Rested> {
    const enough = this.window.failed(nameOf(one));
    const probe = one.lease.probe === true;
    if (enough === undefined && !probe) return NOTHING;
    const rest = {
      modelFamily: modelFamily(one.model),
      reason: 'ejected',
      ...growing(EJECTION, Math.random),
    };
    const evidence =
      enough === undefined
        ? `the first call after its rest failed: ${reason}`
        : `${enough.failures} of the last ${enough.of} calls failed; the last one: ${reason}`;
    return this.cool(one, rest, evidence, one.pool);
  }

  private async cool(one: Try, rest: Rest, evidence: string, pool?: Cooling['pool']): Promise<Rested> {
    const { account, lease } = one;
    const said: Rested = { isNews: false, backInMs: rest.forMs === 'infinity' ? undefined : rest.forMs };
    const name = `${nameOf(one)} ${rest.reason}`;
    // Calls that are refused together write once; the database sorts out what other processes write.
    if (this.writing.has(name)) return said;
    this.writing.add(name);
    const written = this.write(lease.requestId, {
      ...rest,
      accountId: account.id,
      evidence,
      credentialsVersion: account.credentialsVersion,
      since: lease.admittedAt,
      ...(pool && { pool }),
    }).finally(() => this.writing.delete(name));
    return (await Promise.race([written, sleep(PATIENCE_MS, undefined, { ref: false })])) ?? said;
  }

  private async write(requestId: string, cooling: Cooling): Promise<Rested | undefined> {
    try {
      const { became, forMs } = await this.scheduler.rests.cool(cooling);
      const isNews = became === 'cooling';
      const { accountId, reason, modelFamily: family, evidence } = cooling;
      if (isNews)
        this.log.warn({ account: accountId, reason, family, forMs, evidence }, 'account cools down');
      return { isNews, backInMs: forMs === 'infinity' ? undefined : forMs };
    } catch (error) {
      this.log.warn({ err: error, requestId }, 'a cooldown could not be written');
      return undefined;
    }
  }
}

function nameOf({ account, model }: Try): string {
  return `${account.id} ${modelFamily(model)}`;
}

/** The error as a document that every kind's verdict reads: each looks only at the fields of its own vendor. */
function documentOf({ type, message, status }: AnswerFailure): Buffer {
  return Buffer.from(JSON.stringify({ type: 'error', error: { type, status: type, code: status, message } }));
}
