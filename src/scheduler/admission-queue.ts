import { setTimeout as sleep } from 'node:timers/promises';
import type { Queryable } from '../database/statement.ts';
import { type AdmissionRequest, AdmissionUnavailable, type Decision } from './admission.ts';
import type { Answer } from './admission-batch.ts';
import { backoffMs } from './backoff.ts';
import type { Replica } from './replica.ts';
import type { Asked, ShortLists } from './short-lists.ts';
import { admitBatch } from './sql/admit-batch.ts';
import { findOpenCall } from './sql/find-open-call.ts';
import { failureOf } from './statement-failure.ts';
import type { Strays } from './strays.ts';

const LARGEST_BATCH = 64;
/** Where so many were answered, more will come within so long. */
const MANY = 8;
const GATHER_MS = 8;
/** A crowd comes again within so many times of that, or not at all. */
const LATELY = 6;
const MOST_WAITING = 10_000;
const TRIES = 4;
/** From the batch's start: later failures are told to the callers at once instead of tried again. */
const PATIENCE_MS = 1_000;

export type BatchObserver = (rows: number, ms: number) => void;

interface Waiting extends Asked {
  readonly isOff: () => boolean;
  /** Set once it was told: an outage that follows changes nothing of that. */
  decided: boolean;
  admitted: boolean;
  readonly resolve: (decision: Decision | undefined) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Requests for admission, decided in batches that their callers never see. One statement is in flight; what arrives
 * meanwhile is the next batch, started on the next `setImmediate`. Where many were answered while others waited, two crowds take
 * turns: the next batch is gathered for 8 ms, or until it is full, so that they become one. One of several workers also
 * waits as long for a crowd that it answered lately to be complete, so that it stays one (docs/decisions/019).
 *
 * States of a request: waiting → in the batch in flight → decided; or, where its short list did not decide it, first of
 * those who wait for the next batch. A batch that fails because of one row's data, or
 * whose outcome is not known, goes through a second time one request at a time; each then asks first whether it has an
 * open row from the first time. A request whose outcome stays unknown is refused and noted as a stray.
 */
export class AdmissionQueue {
  private waiting: Waiting[] = [];
  private urgent: Waiting[] = [];
  /** From the start of a batch's gathering to its answers. */
  private busy = false;
  private gathering: NodeJS.Timeout | undefined;
  /** How many of the last batch were asked for the first time. */
  private newcomers = 0;
  /** Of the last batch that had any: how many, and when they were answered. */
  private answered = 0;
  private answeredAt = 0;
  /** How many are gathered for. */
  private wanted = 0;

  constructor(
    private readonly db: Queryable,
    private readonly replica: Pick<Replica, 'current' | 'aliveMs' | 'beat'>,
    private readonly strays: Strays,
    private readonly lists: ShortLists,
    private readonly observe: BatchObserver,
    /** What becomes of a request that the database could not be asked about; undefined: it is refused. */
    private readonly without: (request: AdmissionRequest, error: unknown) => Decision | undefined,
    private readonly workers: number,
    /** 0: nothing is gathered. */
    private readonly gatherMs = GATHER_MS,
  ) {}

  /** @throws AdmissionUnavailable */
  async ask(request: AdmissionRequest): Promise<Decision> {
    const decision = await this.askUnless(() => false, request);
    if (decision === undefined) throw new Error('Admission was not asked');
    return decision;
  }

  /**
   * @param isOff looked at when the batch is sent: where it says so, nothing is asked and the answer is undefined
   * @param turn `first`: before all who are not
   * @throws AdmissionUnavailable
   */
  askUnless(
    isOff: () => boolean,
    request: AdmissionRequest,
    turn: 'first' | 'last' = 'last',
  ): Promise<Decision | undefined> {
    if (this.waiting.length >= MOST_WAITING) {
      return Promise.reject(new AdmissionUnavailable('Too many calls wait for admission'));
    }
    return new Promise((resolve, reject) => {
      const line = turn === 'first' ? this.urgent : this.waiting;
      const waiting: Waiting = {
        request,
        list: 'known',
        isOff,
        decided: false,
        admitted: false,
        resolve: (decision) => {
          waiting.decided = true;
          waiting.admitted = decision?.admitted === true;
          resolve(decision);
        },
        reject: (error) => {
          waiting.decided = true;
          reject(error);
        },
      };
      line.push(waiting);
      this.start();
    });
  }

  private start(): void {
    if (this.gathering !== undefined && !this.mayGather()) {
      clearTimeout(this.gathering);
      this.gathering = undefined;
      this.busy = false;
    }
    if (this.busy || this.waiting.length + this.urgent.length === 0) return;
    this.busy = true;
    if (!this.gather(this.workers > 1 ? this.crowd() : 0)) setImmediate(() => this.run());
  }

  /** How many came together a moment ago; 0: not many did. */
  private crowd(): number {
    const isLate = performance.now() - this.answeredAt >= LATELY * this.gatherMs;
    return isLate || this.answered < MANY ? 0 : this.answered;
  }

  /** False: whoever waits is to be asked for now. */
  private gather(wanted: number): boolean {
    this.wanted = wanted;
    if (this.gatherMs === 0 || !this.mayGather()) return false;
    this.gathering = setTimeout(() => this.run(), this.gatherMs);
    return true;
  }

  /** Nobody has been asked for before, and more are wanted. */
  private mayGather(): boolean {
    return this.urgent.length === 0 && this.waiting.length < this.wanted;
  }

  private run(): void {
    this.gathering = undefined;
    void this.next().finally(() => this.goOn());
  }

  private goOn(): void {
    const haveTurns = this.waiting.length > 0 && this.newcomers >= MANY;
    this.busy = haveTurns && this.gather(LARGEST_BATCH);
    if (!this.busy) this.start();
  }

  private async next(): Promise<void> {
    this.newcomers = 0;
    const again = take(this.urgent, LARGEST_BATCH);
    const newcomers = take(this.waiting, LARGEST_BATCH - again.length);
    const batch = [...again, ...newcomers];
    if (batch.length === 0) return;
    const started = performance.now();
    const strays = await this.notStrays(batch);
    try {
      await this.decide(batch, started + PATIENCE_MS);
      this.observe(batch.length, performance.now() - started);
      this.newcomers = newcomers.length;
      if (newcomers.length > 0) [this.answered, this.answeredAt] = [newcomers.length, performance.now()];
    } catch (error) {
      // Unless it was a quarrel over locks, those who wait behind would only wait for the same answer.
      const behind =
        failureOf(error) === 'again' ? [] : [...this.urgent.splice(0), ...this.waiting.splice(0)];
      const refused = unavailable(error);
      for (const { request, isOff, decided, resolve, reject } of [...batch, ...behind]) {
        if (decided) continue;
        if (isOff()) {
          resolve(undefined);
          continue;
        }
        const decision = this.without(request, refused);
        if (decision === undefined) reject(refused);
        else resolve(decision);
      }
    } finally {
      this.noteStrays(strays.filter(({ admitted }) => !admitted));
    }
  }

  /** Those of the batch who were asked for before, with an answer that never came: nobody takes away what they get now. */
  private async notStrays(batch: readonly Waiting[]): Promise<readonly Waiting[]> {
    const found = batch.filter(({ request }) => this.strays.has(request.requestId));
    if (found.length > 0) await this.strays.forget(found.map(({ request }) => request.requestId));
    return found;
  }

  private async decide(batch: readonly Waiting[], deadline: number): Promise<void> {
    try {
      this.answer(batch, await this.admit(batch, deadline));
    } catch (error) {
      const failure = failureOf(error);
      if (failure === 'unknown' && performance.now() < deadline)
        await this.decideEach(batch, deadline, error);
      else if (failure === 'data') await this.decideEach(batch, deadline, error);
      else {
        if (failure === 'unknown') this.noteStrays(batch);
        throw error;
      }
    }
  }

  private async decideEach(batch: readonly Waiting[], deadline: number, cause: unknown): Promise<void> {
    for (const [index, waiting] of batch.entries()) {
      try {
        waiting.resolve(await this.decideOne(waiting, deadline));
      } catch (error) {
        if (failureOf(error) === 'data') {
          waiting.reject(error instanceof Error ? error : new Error('Not admissible', { cause: error }));
          continue;
        }
        this.noteStrays(failureOf(cause) === 'unknown' ? batch.slice(index) : [waiting]);
        throw error;
      }
    }
  }

  /** A row found was written by the statement whose answer was lost; a duplicate, by one that was still on its way. */
  private async decideOne(waiting: Waiting, deadline: number): Promise<Decision> {
    waiting.list = 'all';
    for (let attempt = 1; ; attempt += 1) {
      const lease = await this.findLease(waiting.request);
      if (lease !== undefined) return lease;
      try {
        const [decision] = await this.admit([waiting], deadline);
        if (decision !== undefined) return decision;
        throw new Error('Admission did not answer');
      } catch (error) {
        const failure = failureOf(error);
        const lost = failure === 'unknown' && performance.now() < deadline;
        if (attempt === TRIES || !(lost || failure === 'data')) throw error;
        if (failure === 'data' && (await this.findLease(waiting.request)) === undefined) throw error;
      }
    }
  }

  private async findLease({ requestId, keyId }: AdmissionRequest): Promise<Decision | undefined> {
    const lease = await findOpenCall(this.db, requestId);
    return lease?.keyId === keyId ? { admitted: true, lease } : undefined;
  }

  /** Undefined for those who have to be asked for again, with another list. */
  private async admit(batch: readonly Waiting[], deadline: number): Promise<(Decision | undefined)[]> {
    const shortened = await this.lists.shorten(batch);
    const answers = await this.send(
      shortened.map(({ request }) => request),
      deadline,
    );
    return batch.map((waiting, index) => {
      const [short, answer] = [shortened[index], answers[index]];
      return short && answer && this.lists.judge(waiting, short, answer);
    });
  }

  private answer(batch: readonly Waiting[], decisions: readonly (Decision | undefined)[]): void {
    const again: Waiting[] = [];
    for (const [index, waiting] of batch.entries()) {
      const decision = decisions[index];
      if (decision === undefined) again.push(waiting);
      else waiting.resolve(decision);
    }
    this.urgent.unshift(...again);
  }

  private async send(requests: readonly AdmissionRequest[], deadline: number): Promise<Answer[]> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const epoch = this.replica.current() ?? (await this.newBeat());
        const answers = await admitBatch(this.db, epoch, this.replica.aliveMs, requests);
        if (answers !== undefined) return answers;
        await this.newBeat();
        if (attempt === TRIES) throw new AdmissionUnavailable('The epoch of this replica is not valid');
      } catch (error) {
        if (attempt === TRIES || failureOf(error) !== 'again' || performance.now() > deadline) throw error;
        await sleep(backoffMs(attempt, 5, 50));
      }
    }
  }

  private async newBeat(): Promise<string> {
    await this.replica.beat().catch((error: unknown) => {
      throw unavailable(error);
    });
    const epoch = this.replica.current();
    if (epoch === undefined) throw new AdmissionUnavailable('This replica is closed');
    return epoch;
  }

  private noteStrays(batch: readonly Waiting[]): void {
    for (const { request } of batch) this.strays.note(request.requestId);
  }
}

/** The first of a line, but for those who do not want it any more. */
function take(line: Waiting[], most: number): Waiting[] {
  const taken: Waiting[] = [];
  while (line.length > 0 && taken.length < most) {
    for (const waiting of line.splice(0, most - taken.length)) {
      if (waiting.isOff()) waiting.resolve(undefined);
      else taken.push(waiting);
    }
  }
  return taken;
}

function unavailable(cause: unknown): AdmissionUnavailable {
  if (cause instanceof AdmissionUnavailable) return cause;
  return new AdmissionUnavailable('The database cannot be asked', { cause });
}
