import { setTimeout as sleep } from 'node:timers/promises';
import type { Queryable } from '../database/statement.ts';
import { AdmissionUnavailable, type Decision, type MoveRequest } from './admission.ts';
import { backoffMs } from './backoff.ts';
import type { Replica } from './replica.ts';
import type { ShortLists } from './short-lists.ts';
import { moveAttempt } from './sql/move-attempt.ts';
import { failureOf } from './statement-failure.ts';

const TRIES = 4;
/** From the first asking: a later failure is told to the caller at once. */
const PATIENCE_MS = 1_000;

/**
 * Calls that go on to their next attempt, each in a statement of its own: there are few of them, and the statement may
 * simply be sent again when its answer was lost.
 */
export class Moves {
  constructor(
    private readonly db: Queryable,
    private readonly replica: Replica,
    private readonly lists: ShortLists,
  ) {}

  /** @throws AdmissionUnavailable */
  move(request: MoveRequest): Promise<Decision> {
    return this.lists.moved(request, (short) => this.send(short));
  }

  private async send(request: MoveRequest): Promise<Decision> {
    const deadline = performance.now() + PATIENCE_MS;
    for (let attempt = 1; ; attempt += 1) {
      try {
        const decision = await moveAttempt(this.db, this.replica.aliveMs, request);
        if (decision === 'gone') throw new AdmissionUnavailable('The call is not open any more');
        if (decision !== 'epoch') return decision;
        await this.replica.beat();
        if (attempt === TRIES || this.replica.current() !== request.lease.epoch)
          throw new AdmissionUnavailable('The epoch of this call is over');
      } catch (error) {
        const failure = failureOf(error);
        const again = failure === 'again' || failure === 'unknown';
        if (failure === 'data') throw error;
        if (attempt === TRIES || !again || performance.now() > deadline) throw unavailable(error);
        await sleep(backoffMs(attempt, 5, 50));
      }
    }
  }
}

function unavailable(cause: unknown): AdmissionUnavailable {
  if (cause instanceof AdmissionUnavailable) return cause;
  return new AdmissionUnavailable('The database cannot be asked', { cause });
}
