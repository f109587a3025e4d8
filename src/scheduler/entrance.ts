import { setTimeout as sleep } from 'node:timers/promises';
import type {
  AdmissionRequest,
  Candidate,
  Decision,
  LeaveSignal,
  MoveRequest,
  Patience,
  Refusal,
} from './admission.ts';
import type { AdmissionQueue } from './admission-queue.ts';
import type { SchedulerSettings } from './clocks.ts';
import type { Moves } from './moves.ts';
import { RateRefusals } from './rate-refusals.ts';
import type { SettlementQueue } from './settlement-queue.ts';
import { FULL } from './waiting-lines.ts';
import type { WaitingRoom } from './waiting-room.ts';
import { wishOf } from './wish.ts';

/** How long a call is kept for what is on its way back; a settlement takes a few milliseconds. */
const PLACE_RETURNS_MS = 1_000;
/** How long though another account may have room; it takes a statement, and writing a session's cache anew takes longer. */
const OWN_PLACE_RETURNS_MS = 250;
/** What open calls hold, until they are settled; for how long nobody knows, so that there is no line for it. */
const HELD: ReadonlySet<Refusal> = new Set(['tokens-rate', 'budget-held']);
const NOBODY: readonly Candidate[] = [];

/**
 * How calls come to their places: asked for at once where nobody of the same key came before, and in line where the
 * answer is that all are taken.
 */
export class Entrance {
  private readonly rates = new RateRefusals();

  constructor(
    private readonly admissions: AdmissionQueue,
    private readonly moves: Moves,
    private readonly settlements: SettlementQueue,
    private readonly room: WaitingRoom,
    private readonly settings: Pick<SchedulerSettings, 'queueMs'>,
  ) {}

  /** @throws AdmissionUnavailable, or the reason of the patience's signal */
  async admit(request: AdmissionRequest, patience?: Patience): Promise<Decision> {
    const known = this.rates.of(request);
    if (known !== undefined) return known;
    const { keyId, candidates, session, lane } = request;
    const wantsPlace = session !== undefined && lane === 'generate';
    const ending = wantsPlace ? this.settlements.endingOf(session) : undefined;
    // Asked now, it would find its account full with its session's own call, and go where nothing is cached.
    if (ending !== undefined) await atMost(OWN_PLACE_RETURNS_MS, ending, patience?.signal);
    const waits = this.settings.queueMs > 0 ? patience : undefined;
    const before = this.settlements.isReturning(keyId, candidates);
    const decision = await this.ask(request, waits);
    if (decision.admitted) return decision;
    this.rates.note(request, decision);
    if (!HELD.has(decision.refusal) && (waits !== undefined || !FULL.has(decision.refusal))) return decision;
    // A client may send its next call before its last one is settled: what is on its way back is not taken.
    if (!before && !this.settlements.isReturning(keyId, candidates)) return decision;
    const returned = this.settlements.returned(keyId, candidates);
    await Promise.race([returned, sleep(PLACE_RETURNS_MS, undefined, { ref: false })]);
    return this.ask(request, waits);
  }

  /** What was refused meanwhile was refused without it. */
  databaseIsBack(): void {
    this.rates.clear();
  }

  /** @throws AdmissionUnavailable, or the reason of the patience's signal */
  async move(request: MoveRequest, patience?: Patience): Promise<Decision> {
    const releases = this.room.releases;
    const decision = await this.moves.move(request);
    this.room.released(request.lease.accountId);
    const { queueMs } = this.settings;
    if (decision.admitted || decision.refusal !== 'accounts-full') return decision;
    if (patience === undefined || queueMs === 0) return decision;
    const { keyId } = request.lease;
    // Its own place, which it has just given back, is none that it wants.
    const again = this.room.releases !== releases + 1;
    return this.room.enter({
      ...patience,
      keyId,
      lane: 'generate',
      until: Math.min(performance.now() + queueMs, patience.until ?? Infinity),
      wish: wishOf({ lane: 'generate', candidates: request.candidates }),
      needsKey: false,
      refusal: decision.refusal,
      again,
      ask: (isOver) => (isOver() ? Promise.resolve(undefined) : this.moves.move(request)),
    });
  }

  private ask(request: AdmissionRequest, patience: Patience | undefined): Promise<Decision> {
    if (patience === undefined) return this.admissions.ask(request);
    const { keyId, lane } = request;
    const { arrivedAt, signal } = patience;
    const isLater = (): boolean => signal.aborted || this.room.isBehind(keyId, lane, arrivedAt);
    const releases = this.room.releases;
    return this.admissions
      .askUnless(isLater, request)
      .then((decision) =>
        decision !== undefined && (decision.admitted || !FULL.has(decision.refusal))
          ? decision
          : this.standInLine(request, patience, decision?.refusal, this.room.releases !== releases),
      );
  }

  /** @param refusal undefined: it was not asked, since others of its key came before */
  private standInLine(
    request: AdmissionRequest,
    patience: Patience,
    refusal: Refusal | undefined,
    hasRoomSince: boolean,
  ): Promise<Decision> {
    const { keyId, lane } = request;
    const waiting = this.room.enter({
      ...patience,
      keyId,
      lane,
      until: patience.arrivedAt + this.settings.queueMs,
      wish: wishOf(request),
      needsKey: true,
      refusal,
      again: refusal !== undefined && hasRoomSince,
      ask: (isOver) => this.admissions.askUnless(isOver, request, 'first'),
    });
    this.hurry(request, refusal);
    return waiting;
  }

  /**
   * Settlements that would give back what this call was refused for are not collected any longer. Whoever has others of
   * its key before it leaves that to them.
   */
  private hurry({ keyId, candidates }: AdmissionRequest, refusal: Refusal | undefined): void {
    if (refusal === undefined) return;
    const wanted = refusal === 'key-full' ? NOBODY : candidates;
    if (this.settlements.isReturning(keyId, wanted)) void this.settlements.returned(keyId, wanted);
  }
}

/** Ends with the promise, the time or the signal, whichever is first. */
function atMost(ms: number, promise: Promise<void>, signal: LeaveSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const over = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', over);
      resolve();
    };
    const timer = setTimeout(over, ms);
    signal?.addEventListener('abort', over, { once: true });
    void promise.then(over);
  });
}
