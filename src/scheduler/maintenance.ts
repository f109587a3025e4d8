import type { Logger } from 'pino';
import type { Queryable } from '../database/statement.ts';
import type { Bindings } from './bindings.ts';
import type { SchedulerSettings } from './clocks.ts';
import type { Replays } from './replays.ts';
import type { Replica } from './replica.ts';
import { foldCharges, repairCounters } from './sql/counters.ts';
import { forgetCooldowns } from './sql/cooldowns.ts';
import { forgetEpochs, sweepEpochs } from './sql/epochs.ts';
import { oldestTransaction } from './sql/old-transactions.ts';
import { dropLedgerPartitions, ensureLedgerPartitions } from './sql/ledger-partitions.ts';
import type { Spooling } from './spooling.ts';
import type { Strays } from './strays.ts';

const DAY_MS = 86_400_000;
/** From the start, and so for replicas, too, that are started anew every day. */
const FIRST_TENDING_MS = 60_000;
/** At most so long after a failure. */
const RETRY_MS = 60_000;
const SWEPT_AT_ONCE = 500;
/** How often a running attempt's usage so far is written down. */
const CHECKPOINT_MS = 5_000;
const RECONCILE_MS = 60_000;
const BINDINGS_MS = 30_000;
/** In periods of sweeping. */
const TRANSACTIONS_EVERY = 5;
/**
 * A transaction that is open for longer than any of ours: rows that every call moves leave dead versions behind it,
 * which admission then has to pass.
 */
const OLD_TRANSACTION_S = 120;

/** What of it is for the metrics. */
export interface MaintenanceEvents {
  /** So many counters were set right. */
  repaired(counters: number): void;
  /** Age of the oldest transaction of the database, in seconds. */
  oldestTransaction(seconds: number): void;
}

/**
 * What a replica does by the clock beside its work: it beats, sweeps after dead replicas and replays what they left,
 * writes down what its running attempts have used so far, forgets sessions that are over, and soon after its start and
 * then once a day makes the ledger's coming partitions and forgets what is long over. Each runs by itself, one at a time;
 * a failure is logged once and the next turn tries again.
 *
 * States: made → started (its timers run) → stopped.
 */
export class Maintenance {
  private readonly timers = new Set<NodeJS.Timeout>();
  private readonly failing = new Set<string>();
  private stopped = false;
  private oldSeen = false;

  constructor(
    private readonly db: Queryable,
    /** Where a statement may take its time. */
    private readonly proof: Queryable,
    private readonly replica: Replica,
    private readonly strays: Strays,
    private readonly spooling: Spooling,
    private readonly bindings: Bindings,
    private readonly replays: Replays,
    private readonly clocks: SchedulerSettings,
    private readonly log: Logger,
    private readonly events: MaintenanceEvents,
  ) {}

  /** The first beat and the partitions are tried at once; where they fail, admission stays closed until a beat works. */
  async start(): Promise<void> {
    await this.attempt('heartbeat', () => this.replica.beat());
    await this.attempt('ledger partitions', () => ensureLedgerPartitions(this.db));
    this.every('heartbeat', this.clocks.heartbeatMs, () => this.replica.beat());
    this.every('sweep', this.clocks.sweepMs, () => this.sweep());
    this.every('replay', this.clocks.sweepMs, () => this.replay());
    this.every('checkpoints', CHECKPOINT_MS, async () => this.spooling.tend());
    this.every('reconcile', RECONCILE_MS, () => this.reconcile());
    this.every('old transactions', TRANSACTIONS_EVERY * this.clocks.sweepMs, () =>
      this.lookForOldTransactions(),
    );
    this.every('bindings', BINDINGS_MS, () => this.bindings.tend());
    this.every('tending', DAY_MS, () => this.tend(), FIRST_TENDING_MS);
  }

  stop(): void {
    this.stopped = true;
    for (const timer of this.timers) clearTimeout(timer);
  }

  /** Frees what dead replicas held. Silence means something only to one who has itself been answered all along. */
  async sweep(): Promise<void> {
    await this.strays.release(this.db);
    await this.sweepEnded(this.replica.isSteady() ? this.clocks.epochTtlMs : null);
  }

  /** Epochs that are closed or marked dead already hold nothing rightly, whoever looks. */
  async sweepEnded(ttlMs: number | null): Promise<void> {
    for (;;) {
      const { marked, orphaned } = await sweepEpochs(this.db, ttlMs);
      if (marked + orphaned > 0) this.log.warn({ marked, orphaned }, 'dead replicas swept');
      if (orphaned < SWEPT_AT_ONCE) return;
    }
  }

  private async replay(): Promise<void> {
    const epoch = this.replica.current();
    const { root } = this.spooling;
    if (epoch !== undefined && root !== undefined) await this.replays.run(root, epoch);
  }

  /** Counters that are not what the open rows and the ledger prove are set right. There should never be any. */
  async reconcile(): Promise<void> {
    await foldCharges(this.proof);
    const repaired = await repairCounters(this.proof);
    if (repaired.length === 0) return;
    this.events.repaired(repaired.length);
    this.log.error({ repaired: repaired.slice(0, 20), count: repaired.length }, 'counters repaired');
  }

  /** Somebody's forgotten session or long report slows every admission down, and only a person can end it. */
  private async lookForOldTransactions(): Promise<void> {
    const seconds = await oldestTransaction(this.db);
    this.events.oldestTransaction(seconds);
    const isOld = seconds > OLD_TRANSACTION_S;
    if (isOld && !this.oldSeen)
      this.log.warn({ seconds }, 'a transaction is open for long and slows admission down');
    this.oldSeen = isOld;
  }

  private async tend(): Promise<void> {
    await ensureLedgerPartitions(this.db);
    const { ledgerKeepMonths } = this.clocks;
    const dropped = ledgerKeepMonths > 0 ? await dropLedgerPartitions(this.db, ledgerKeepMonths) : 0;
    if (dropped > 0) this.log.info({ dropped }, 'months of the ledger dropped');
    await forgetEpochs(this.db);
    await forgetCooldowns(this.db);
  }

  private every(name: string, ms: number, work: () => Promise<void>, first = ms): void {
    if (this.stopped) return;
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      void this.attempt(name, work).then((done) =>
        this.every(name, ms, work, done ? ms : Math.min(ms / 4, RETRY_MS)),
      );
    }, first);
    timer.unref();
    this.timers.add(timer);
  }

  private async attempt(name: string, work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work();
      if (this.failing.delete(name)) this.log.info({ task: name }, 'maintenance works again');
      return true;
    } catch (error) {
      if (!this.stopped && !this.failing.has(name)) {
        this.failing.add(name);
        this.log.warn({ err: error, task: name }, 'maintenance failed; it is tried again');
      }
      return false;
    }
  }
}
