import { v7 } from 'uuid';
import type { Queryable } from '../database/statement.ts';
import type { Clocks } from './clocks.ts';
import { beat, closeEpoch, registerEpoch } from './sql/epochs.ts';

/**
 * This process as the other replicas see it: an epoch with a heartbeat, which all its open rows belong to.
 *
 * States: unregistered → beating → silent (no beat for ⅔ of the limit: admits nothing) → beating again with the same
 * epoch, or, when a sweeper has marked it dead meanwhile, with a new one → closed. Time is measured by the process's
 * monotonic clock from the sending of a beat; what the others see is the database's clock alone.
 */
export class Replica {
  private epoch: string | undefined;
  private beatAt = -Infinity;
  /** Since when the database has answered without a gap. */
  private steadySince = Infinity;
  private running: Promise<void> | undefined;
  private closed = false;

  constructor(
    private readonly db: Queryable,
    private readonly clocks: Clocks,
    /** An epoch was registered: the first one, or one in the place of one that was marked dead. */
    private readonly began: (epoch: string, installation: string) => void = () => undefined,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Silence after which nothing is admitted, well before a sweeper may take the epoch for dead. */
  get aliveMs(): number {
    return Math.floor((this.clocks.epochTtlMs * 2) / 3);
  }

  /** The epoch to admit under; undefined: silent for too long, or closed. */
  current(): string | undefined {
    return this.now() - this.beatAt < this.aliveMs ? this.epoch : undefined;
  }

  /** The epoch that open rows of this process stand under, however long ago it last beat; undefined: none, or closed. */
  last(): string | undefined {
    return this.epoch;
  }

  /** True after a whole limit of beats without a gap: only then does another's silence mean anything. */
  isSteady(): boolean {
    return this.current() !== undefined && this.now() - this.steadySince >= this.clocks.epochTtlMs;
  }

  /** One beat, shared by all who ask meanwhile; registers an epoch where there is none that lives. */
  beat(): Promise<void> {
    this.running ??= this.beatOnce().finally(() => {
      this.running = undefined;
    });
    return this.running;
  }

  /** Ends the epoch, so that any sweeper may at once free what it still holds. */
  async close(): Promise<void> {
    this.closed = true;
    await this.running?.catch(() => undefined);
    const epoch = this.epoch;
    this.epoch = undefined;
    if (epoch !== undefined) await closeEpoch(this.db, epoch);
  }

  private async beatOnce(): Promise<void> {
    if (this.closed) return;
    const sent = this.now();
    if (this.epoch === undefined || !(await beat(this.db, this.epoch))) {
      this.epoch = undefined;
      const epoch = v7();
      const installation = await registerEpoch(this.db, epoch);
      this.epoch = epoch;
      this.began(epoch, installation);
    }
    if (sent - this.beatAt >= this.aliveMs) this.steadySince = sent;
    this.beatAt = sent;
  }
}
