import type { Lane } from '../dialects/dialect.ts';
import type { SchedulerSettings } from './clocks.ts';
import { KeylessLines } from './keyless-lines.ts';
import type { Decision, LeaveSignal, Refusal } from './admission.ts';
import { FULL, Round, type Waiter, WaitingLines } from './waiting-lines.ts';
import type { Settlement } from './settlement.ts';
import type { Wish } from './wish.ts';

/**
 * How often those who wait are asked for although nothing was given back here: another replica may have freed a place,
 * or a cooldown may have ended. With one statement's time it stays under the 250 ms in which that must be noticed.
 *
 * What it costs: while anybody waits, about seven rounds a second and replica. A round is one statement of about
 * 0.35 ms of Postgres where all who wait want the same accounts, since only one of them is asked; each further set of
 * accounts and each key that is itself full adds a row of 0.03 ms. A hundred calls for one full pool take 0.3 % of a
 * core; a thousand calls of a thousand full keys, the most there can be, about a quarter of one.
 */
const POLL_MS = { least: 120, most: 180 };

/** So many are asked in one statement at most: half of a batch, so that new calls come in beside them. */
const WIDEST = 32;

/** However slowly a line has moved of late, behind so many one may stand. */
const FEW = 8;

/** So many stand beyond the bounds at most, each for one round. */
const MOST_GUESTS = 256;

export type WaitEnd = 'admitted' | 'refused' | 'late' | 'left' | 'failed';

export interface WaitingNeighbours {
  /** How many calls of this replica hold places: all of those may come back at once. */
  open(): number;
  waiting(count: number): void;
  waited(ms: number, end: WaitEnd): void;
}

/** A call that is to wait, with what it was told before. */
export interface Ticket {
  readonly keyId: string;
  readonly lane: Lane;
  readonly arrivedAt: number;
  readonly until: number;
  readonly signal: LeaveSignal;
  readonly wish: Wish;
  readonly needsKey: boolean;
  /** Undefined: not asked yet, since others of its key were before it. */
  readonly refusal: Refusal | undefined;
  /** A place was given back since it was asked: it is asked again at once. */
  readonly again: boolean;
  /** Undefined when `isOver` said so before it was asked. */
  readonly ask: (isOver: () => boolean) => Promise<Decision | undefined>;
  readonly waited: (ms: number, refusal: Refusal) => void;
}

/** Calls of one key that wait. */
export interface WaitingCalls {
  readonly keyId: string;
  readonly lane: Lane;
  readonly calls: number;
  readonly oldestMs: number;
}

interface Waiting extends Waiter {
  readonly ticket: Ticket;
  readonly enteredAt: number;
  refusal: Refusal;
  asking: boolean;
  over: 'late' | 'left' | 'crowded' | undefined;
  readonly stop: () => void;
  readonly resolve: (decision: Decision) => void;
  readonly reject: (reason: unknown) => void;
}

/** Whom the next round is for. */
interface Wake {
  all: boolean;
  /** Whoever met a full team: this process does not know of which. */
  teams: boolean;
  readonly keys: Set<string>;
  readonly accounts: Set<string>;
  readonly lines: Set<string>;
}

/**
 * Where calls wait that found their key, a team above it, or all of their accounts full. One round of asking at a time: woken by a place
 * that this process gave back, and by the poll while anybody waits. A round asks one of those who want the same, and
 * two, four and more for as long as they are let in; it ends when everybody's answer is known by what was learnt.
 *
 * States of one: waiting ⇄ asking → over, once: let in, refused for another reason, late, or left. What is taken for a
 * call that has left meanwhile is handed to it all the same: it must be settled.
 *
 * Where the line is full, a call that could take a place which nobody in it waits for stands there as a guest, for one
 * round: it is let in, or is told afterwards that the line is full.
 *
 * Postgres' NOTIFY is not used for places freed elsewhere: the poll alone holds the bound, at a cost that falls to
 * nothing where nobody waits, and NOTIFY takes a lock over all commits of the cluster.
 */
export class WaitingRoom {
  private readonly lines: WaitingLines<Waiting>;
  private readonly guests = new Set<Waiting>();
  private readonly keyless = new KeylessLines();
  private pending: Wake | undefined;
  private running = false;
  private poll: NodeJS.Timeout | undefined;
  /** Places given back here since the start. */
  private given = 0;

  constructor(
    private readonly settings: Pick<SchedulerSettings, 'queueMs' | 'queueMax'>,
    private readonly neighbours: WaitingNeighbours,
  ) {
    this.lines = new WaitingLines(settings.queueMs);
  }

  get releases(): number {
    return this.given;
  }

  /** Whether a call that came at this moment has another of its key before it. */
  isBehind(keyId: string, lane: Lane, arrivedAt: number): boolean {
    return this.lines.size > 0 && this.lines.isBehind(nameOf(keyId, lane), arrivedAt);
  }

  /** @throws the signal's reason when it is aborted before a place was found */
  async enter(ticket: Ticket): Promise<Decision> {
    const { keyId, lane, signal } = ticket;
    signal.throwIfAborted();
    const line = nameOf(keyId, lane);
    const refusal = ticket.refusal ?? this.lines.first(line)?.refusal ?? 'key-full';
    const left = ticket.until - performance.now();
    if (left <= 0) return { admitted: false, refusal };
    const isCrowded = this.isCrowded(line, ticket);
    if (isCrowded && !this.mayBeGuest(line, ticket)) return this.crowded(line, refusal);
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => this.giveUp(waiting, 'late'), left);
      const onAbort = (): void => this.giveUp(waiting, 'left');
      signal.addEventListener('abort', onAbort, { once: true });
      const stop = (): void => {
        clearTimeout(late);
        signal.removeEventListener('abort', onAbort);
      };
      const { arrivedAt, wish, needsKey } = ticket;
      const enteredAt = performance.now();
      const fixed = { line, arrivedAt, wish, needsKey, ticket, enteredAt, stop, resolve, reject };
      const waiting: Waiting = { ...fixed, refusal, asking: false, over: undefined };
      const isNews = this.lines.enter(waiting);
      if (needsKey && ticket.refusal !== undefined) this.keyless.note(line, ticket.refusal);
      if (isCrowded) this.guests.add(waiting);
      this.neighbours.waiting(this.lines.size);
      if (ticket.again || isCrowded || (ticket.refusal === undefined && isNews)) this.wake().lines.add(line);
      this.keepPolling();
    });
  }

  /** A call of this replica ended, or went on to another account. */
  released(accountId: string, ended?: Pick<Settlement, 'keyId' | 'lane' | 'teams'>): void {
    this.given += 1;
    if (this.lines.size === 0) return;
    const wake = this.wake();
    wake.accounts.add(accountId);
    if (ended === undefined) return;
    wake.keys.add(ended.keyId);
    wake.teams ||= ended.teams.length > 0;
    this.keyless.forget(nameOf(ended.keyId, ended.lane));
    if (ended.teams.length > 0) this.keyless.forgetTeams();
  }

  list(): WaitingCalls[] {
    const now = performance.now();
    return [...this.lines.all()].flatMap((waiters) => {
      const [first] = waiters;
      if (first === undefined) return [];
      const oldest = Math.min(...waiters.map(({ enteredAt }) => enteredAt));
      const { keyId, lane } = first.ticket;
      return [{ keyId, lane, calls: waiters.length, oldestMs: Math.round(now - oldest) }];
    });
  }

  /**
   * Whether there is no place in line, or none that can be reached in time: where the same was wanted for as long as one
   * waits it is known how many got it meanwhile, and whoever stands behind more than that, and than hold places, would wait
   * in vain.
   */
  private isCrowded(line: string, { arrivedAt, wish }: Ticket): boolean {
    const { queueMax } = this.settings;
    if (this.lines.size >= queueMax || this.lines.lengthOf(line) >= Math.ceil(queueMax / 4)) return true;
    const reach = this.lines.reach(line, wish);
    if (reach === undefined) return false;
    return this.lines.ahead(line, arrivedAt, wish) >= Math.max(FEW, this.neighbours.open(), reach + 1);
  }

  /** Not asked yet, and not only waiting for what those before it wait for as well. */
  private mayBeGuest(line: string, { refusal, wish }: Ticket): boolean {
    if (refusal !== undefined || this.guests.size >= MOST_GUESTS) return false;
    if (this.lines.first(line)?.refusal !== 'accounts-full') return false;
    return this.lines.hasNews(line, wish, (other) => !this.guests.has(other));
  }

  /** As long as its first one has waited, a line may well stay full. */
  private crowded(line: string, refusal: Refusal): Decision {
    const oldest = this.lines.first(line)?.enteredAt ?? performance.now();
    return { admitted: false, refusal, retryAfterMs: performance.now() - oldest };
  }

  private keepPolling(): void {
    if (this.poll !== undefined || this.lines.size === 0) return;
    const { least, most } = POLL_MS;
    this.poll = setTimeout(
      () => {
        this.poll = undefined;
        if (this.lines.size > 0) this.wake().all = true;
        this.keepPolling();
      },
      least + Math.random() * (most - least),
    ).unref();
  }

  /** The next round, which begins once everything that is happening now has been noted for it. */
  private wake(): Wake {
    this.pending ??= { all: false, teams: false, keys: new Set(), accounts: new Set(), lines: new Set() };
    if (!this.running) {
      this.running = true;
      void Promise.resolve().then(() => this.run());
    }
    return this.pending;
  }

  private async run(): Promise<void> {
    while (this.pending !== undefined) {
      const wake = this.pending;
      this.pending = undefined;
      const guests = [...this.guests];
      await this.round(new Round((waiting) => isFor(wake, waiting, this.keyless)));
      for (const guest of guests) if (this.guests.has(guest)) this.giveUp(guest, 'crowded');
    }
    this.running = false;
  }

  private async round(round: Round<Waiting>): Promise<void> {
    for (let width = 1; ; width = Math.min(width * 2, WIDEST)) {
      const picks = this.lines.pick(round, width, WIDEST);
      // An attempt that goes on has a statement of its own: it is asked before those who would come in behind it.
      const moving = picks.filter(({ needsKey }) => !needsKey);
      const asked = moving.length > 0 ? moving : picks;
      if (asked.length === 0) return;
      await Promise.all(asked.map((waiting) => this.ask(waiting, round)));
    }
  }

  private async ask(waiting: Waiting, round: Round<Waiting>): Promise<void> {
    waiting.asking = true;
    try {
      const decision = await waiting.ticket.ask(() => waiting.over !== undefined);
      waiting.asking = false;
      if (decision === undefined) return this.leave(waiting);
      const { line, needsKey } = waiting;
      if (needsKey) this.keyless.note(line, decision.admitted ? undefined : decision.refusal);
      if (!decision.admitted && FULL.has(decision.refusal)) {
        waiting.refusal = decision.refusal;
        round.learn(waiting, decision.refusal);
        if (waiting.over !== undefined) this.leave(waiting);
        return;
      }
      if (decision.admitted) this.lines.served(waiting);
      this.end(waiting, decision.admitted ? 'admitted' : 'refused');
      waiting.resolve(decision);
    } catch (error) {
      this.end(waiting, 'failed');
      waiting.reject(error);
    }
  }

  /** Its time is over, its client is gone, or it was a guest: at once, or when the answer that is on its way has come. */
  private giveUp(waiting: Waiting, over: 'late' | 'left' | 'crowded'): void {
    waiting.over ??= over;
    if (!waiting.asking) this.leave(waiting);
  }

  private leave(waiting: Waiting): void {
    const { over = 'late', refusal, ticket, line } = waiting;
    this.end(waiting, over === 'crowded' ? 'refused' : over);
    if (over === 'left') waiting.reject(ticket.signal.reason);
    else waiting.resolve(over === 'crowded' ? this.crowded(line, refusal) : { admitted: false, refusal });
  }

  private end(waiting: Waiting, end: WaitEnd): void {
    waiting.stop();
    this.lines.leave(waiting);
    this.guests.delete(waiting);
    if (this.lines.lengthOf(waiting.line) === 0) this.keyless.forget(waiting.line);
    const ms = performance.now() - waiting.enteredAt;
    waiting.ticket.waited(ms, waiting.refusal);
    this.neighbours.waiting(this.lines.size);
    this.neighbours.waited(ms, end);
  }
}

function nameOf(keyId: string, lane: Lane): string {
  return `${keyId} ${lane}`;
}

function isFor(wake: Wake, waiting: Waiting, keyless: KeylessLines): boolean {
  const { line, ticket, wish, needsKey, refusal } = waiting;
  if (wake.all || wake.lines.has(line) || (needsKey && wake.keys.has(ticket.keyId))) return true;
  if (wake.teams && refusal === 'team-full') return true;
  if (needsKey && keyless.has(line)) return false;
  for (const id of wake.accounts) if (wish.accounts.has(id)) return true;
  return false;
}
