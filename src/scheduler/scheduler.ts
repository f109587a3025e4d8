import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { Logger } from 'pino';
import { setTimeout as sleep } from 'node:timers/promises';
import { ENV } from '../config/config.module.ts';
import { HOT_POOL, LEDGER_POOL, PROOF_POOL } from '../database/hot-pool.ts';
import type { Queryable } from '../database/statement.ts';
import { LOGGER } from '../telemetry/logger.ts';
import { Metrics } from '../telemetry/metrics.ts';
import {
  type AdmissionRequest,
  AdmissionUnavailable,
  type Decision,
  type Lease,
  type MoveRequest,
  type Patience,
} from './admission.ts';
import { AdmissionQueue } from './admission-queue.ts';
import { Bindings } from './bindings.ts';
import type { SchedulerSettings } from './clocks.ts';
import { Entrance } from './entrance.ts';
import { Grace, type GraceNeighbours, watched } from './grace.ts';
import { KnownSessions } from './known-sessions.ts';
import { LatelySettled } from './lately-settled.ts';
import { Maintenance } from './maintenance.ts';
import { Moves } from './moves.ts';
import { Replays } from './replays.ts';
import { Replica } from './replica.ts';
import { Rests } from './rests.ts';
import { ShortLists } from './short-lists.ts';
import { idOfSettlement, type Settlement } from './settlement.ts';
import { type SettlementEvents, SettlementQueue } from './settlement-queue.ts';
import { spoolEvents, tellReplayed } from './spool-events.ts';
import { Spooling } from './spooling.ts';
import type { Binding } from './sql/bindings.ts';
import { checkCounters, type Proof } from './sql/counters.ts';
import { Standings } from './standings.ts';
import { Strays } from './strays.ts';
import { Survey } from './survey.ts';
import { type WaitingCalls, WaitingRoom } from './waiting-room.ts';

const LAST_FLUSH_MS = 5_000;

/**
 * Who may call, on which account, and what it came to: limits exact over all replicas, usage written once. Knows
 * Postgres, not HTTP.
 *
 * States: made → started (an epoch is registered and beats; without one, admission tries to get one) → closed
 * (settlements flushed, the epoch ended and what it still held written off).
 */
@Injectable()
export class Scheduler implements OnApplicationBootstrap, OnApplicationShutdown {
  /** What attempts found out about their accounts. */
  readonly rests: Rests;
  /** For administrators: what would be decided, and what is held. */
  readonly survey: Survey;
  private readonly ledger: Queryable;
  private readonly grace: Grace;
  private readonly strays = new Strays();
  private readonly lately = new LatelySettled();
  private readonly sessions = new KnownSessions();
  private readonly replica: Replica;
  private readonly room: WaitingRoom;
  private readonly entrance: Entrance;
  private readonly settlements: SettlementQueue;
  private readonly spooling: Spooling;
  private readonly bindings: Bindings;
  private readonly standings: Standings;
  private readonly maintenance: Maintenance;
  private closing: Promise<void> | undefined;
  /** Admitted calls that are not settled yet. */
  private open = 0;

  constructor(
    @Inject(HOT_POOL) hotPool: Queryable,
    @Inject(LEDGER_POOL) ledgerPool: Queryable,
    @Inject(PROOF_POOL) private readonly proof: Queryable,
    @Inject(ENV) settings: SchedulerSettings,
    @Inject(LOGGER) private readonly log: Logger,
    private readonly metrics: Metrics,
  ) {
    this.spooling = new Spooling(settings, spoolEvents(metrics, log));
    const last = (): string | undefined => this.replica.last();
    this.grace = new Grace({ last }, settings.graceMs, this.graceNeighbours());
    const hot = watched(hotPool, this.grace);
    const ledger = (this.ledger = watched(ledgerPool, this.grace));
    this.replica = new Replica(ledger, settings, (epoch, installation) =>
      this.spooling.use(epoch, installation),
    );
    this.settlements = new SettlementQueue(ledger, this.settlementEvents(), settings.workers);
    this.room = new WaitingRoom(settings, {
      waiting: (count) => metrics.callsWaiting(count),
      waited: (ms, end) => metrics.callWaited(ms, end),
      open: () => this.open,
    });
    // Not watched: that accounts can be read says nothing of whether calls can be admitted.
    this.standings = new Standings(hotPool);
    const { sessions, replica, strays, spooling, settlements, room } = this;
    const lists = new ShortLists(this.standings, sessions);
    const admissions = new AdmissionQueue(
      hot,
      replica,
      strays,
      lists,
      (rows, ms) => metrics.batch('admit', rows, ms),
      (request, error) => sessions.preferring(request, (wish) => this.grace.decide(wish, error)),
      settings.workers,
    );
    this.entrance = new Entrance(admissions, new Moves(hot, replica, lists), settlements, room, settings);
    this.bindings = new Bindings(hot, (error) => log.debug({ err: error }, 'bindings were lost'));
    this.rests = new Rests(hot, this.grace, room);
    this.survey = new Survey(hot, replica, this.bindings, settings);
    this.maintenance = new Maintenance(
      ledger,
      proof,
      replica,
      strays,
      spooling,
      this.bindings,
      new Replays(ledger, (one) => this.settlements.settle(one), tellReplayed(metrics, log)),
      settings,
      log,
      {
        repaired: (counters) => metrics.countersRepaired(counters),
        oldestTransaction: (seconds) => metrics.oldestTransaction(seconds),
      },
    );
  }

  onApplicationBootstrap(): Promise<void> {
    return this.start();
  }

  onApplicationShutdown(): Promise<void> {
    return this.close();
  }

  /** A database that is away does not keep it from starting; admission opens with the first heartbeat. */
  start(): Promise<void> {
    return this.maintenance.start();
  }

  /** True, or why nothing can be admitted now. */
  readiness(): true | string {
    if (this.replica.current() === undefined && !this.grace.isOpen)
      return 'no heartbeat reaches the database';
    return this.settlements.isFull ? 'too many settlements wait for the database' : true;
  }

  /** True, or why a settlement would be lost if this process and the database failed together. */
  spoolReadiness(): true | string {
    const { state } = this.spooling;
    return state === 'full' || state === 'broken' ? `the spool is ${state}` : true;
  }

  /**
   * Decides, and takes the places: an admitted call is a lease that must be settled, also when its client has left
   * meanwhile. With patience a call waits while its key or all of its accounts are full.
   * @throws AdmissionUnavailable, or the reason of the patience's signal when nothing was taken
   */
  async admit(request: AdmissionRequest, patience?: Patience): Promise<Decision> {
    if (this.settlements.isFull) throw new AdmissionUnavailable('Too many settlements wait for the database');
    const decision = await this.bindings.preferring(request, (wish) => this.entrance.admit(wish, patience));
    if (!decision.admitted) return decision;
    this.open += 1;
    this.grace.learn(decision.lease, request.grace);
    return decision;
  }

  /**
   * The next attempt of an admitted call, on another account or the same again: what the call itself holds stays, the
   * account's place moves. Refused, the call holds no account's place any more; either way it must still be settled,
   * every attempt with its own row and the last one as final.
   * @throws AdmissionUnavailable also when the call is not open any more: its replica was taken for dead; or the reason
   * of the patience's signal
   */
  async move(request: MoveRequest, patience?: Patience): Promise<Decision> {
    const { requestId } = request.lease;
    try {
      const decision = await this.entrance.move(request, patience);
      if (!decision.admitted) this.grace.doubt(requestId);
      return decision;
    } catch (error) {
      this.grace.doubt(requestId);
      throw error;
    }
  }

  /** Calls that wait on this replica, by key and lane. */
  waiting(): WaitingCalls[] {
    return this.room.list();
  }

  /** To be awaited before an attempt goes upstream; `snapshot` answers what it would be settled with at that moment. */
  begin(snapshot: () => Settlement): Promise<void> | undefined {
    return this.spooling.begin(snapshot);
  }

  /** An attempt has usage to show; asked once, it need not wait for the next checkpoint. */
  seen(lease: Pick<Lease, 'requestId' | 'attempt'>): void {
    this.spooling.seen(idOfSettlement(lease));
  }

  /**
   * Resolves when the ledger row is committed, and the places are back or have passed to another call; waits as long as
   * the database is away. What is in the spool by then is settled even if this process does not live to see it.
   */
  settle(settlement: Settlement): Promise<void> {
    if (settlement.final) this.open -= 1;
    this.spooling.end(settlement);
    return this.settlements.settle(this.grace.ended(settlement));
  }

  /** An account has answered a session's call: written soon, and lost where the database is away. */
  bind(binding: Binding): void {
    this.bindings.bind(binding);
    this.sessions.answered(binding);
  }

  /** Sends what is collected now and waits until it is committed. */
  async flush(): Promise<void> {
    await Promise.all([this.settlements.flush(), this.bindings.flush()]);
  }

  /** Idempotent. */
  close(): Promise<void> {
    this.closing ??= this.closeOnce();
    return this.closing;
  }

  /** Whether places, as they are counted, are those of the open calls. */
  checkCounters(): Promise<Proof> {
    return checkCounters(this.proof);
  }

  private async closeOnce(): Promise<void> {
    this.maintenance.stop();
    this.grace.giveBack();
    await Promise.race([this.flush(), sleep(LAST_FLUSH_MS, undefined, { ref: false })]);
    this.settlements.stop();
    const left = this.settlements.size;
    await this.spooling.close();
    if (left > 0) this.log.error({ left }, 'settlements could not be written before the end');
    try {
      await this.strays.release(this.ledger);
      await this.replica.close();
      await this.maintenance.sweepEnded(null);
    } catch (error) {
      this.log.warn({ err: error }, 'this replica ends without telling the database; the others will notice');
    }
  }

  private graceNeighbours(): GraceNeighbours {
    return {
      isSafe: () => this.spooling.state === 'writing',
      settle: (settlement) => void this.settlements.settle(settlement),
      freed: (settlement) => this.room.released(settlement.accountId, settlement),
      changed: (away) => {
        if (!away) return this.databaseIsBack();
        this.lately.hold();
        this.log.warn('the database is away');
      },
      admitted: () => this.metrics.graceAdmitted(),
    };
  }

  /** It may be another one than before, without what was committed last. */
  private databaseIsBack(): void {
    this.entrance.databaseIsBack();
    const again = this.lately.take();
    this.log.info({ settledAgain: again.length }, 'the database answers again');
    for (const settlement of again) {
      this.spooling.end(settlement);
      void this.settlements.settle(settlement);
    }
  }

  private settlementEvents(): SettlementEvents {
    return {
      batch: (rows, ms) => this.metrics.batch('settle', rows, ms),
      pending: (count) => this.metrics.pendingSettles(count),
      done: (settlement) => {
        this.spooling.settled(settlement);
        this.lately.add(settlement);
        if (settlement.final && settlement.lane === 'generate') this.standings.released(settlement.accountId);
        if (settlement.final) this.room.released(settlement.accountId, settlement);
      },
      delayed: (error, attempt) => {
        if (attempt % 20 === 3) this.log.warn({ err: error, attempt }, 'settlements wait for the database');
      },
      unsettleable: (settlement, error, lost) => {
        const { requestId, attempt, final } = settlement;
        if (lost) this.lately.giveUp(settlement);
        if (lost && final) this.strays.note(requestId);
        this.log.error({ err: error, requestId, attempt, lost }, 'the ledger cannot hold a settlement');
      },
    };
  }
}
