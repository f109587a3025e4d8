import type { AdmissionRequest, Decision } from './admission.ts';
import type { Binding } from './sql/bindings.ts';

/** About 200 bytes each. */
const MOST_SESSIONS = 20_000;
/** No binding outlives its last use for longer. */
const LONGEST_LIFE_MS = 3_600_000;
/** Of a use so soon after one that was kept, nothing is: the times are that much too old at most. */
const SOON_MS = 10_000;

interface Known {
  readonly accountId: string;
  readonly at: number;
}

/**
 * Which account a session is bound to, as admission and answers said last on this replica. Another one may have bound
 * it anew since, so that it is no more than a hint while the database can be asked.
 */
export class KnownSessions {
  private readonly sessions = new Map<string, Known>();

  constructor(private readonly now: () => number = () => performance.now()) {}

  accountOf(session: string | undefined): string | undefined {
    const known = session === undefined ? undefined : this.sessions.get(session);
    return known !== undefined && this.now() - known.at < LONGEST_LIFE_MS ? known.accountId : undefined;
  }

  remember(session: string | undefined, accountId: string | undefined): void {
    if (session === undefined || accountId === undefined) return;
    const at = this.now();
    const known = this.sessions.get(session);
    if (known?.accountId === accountId && at - known.at < SOON_MS) return;
    // Behind those that were used before.
    this.sessions.delete(session);
    this.sessions.set(session, { accountId, at });
    if (this.sessions.size <= MOST_SESSIONS) return;
    for (const [oldest] of this.sessions) {
      this.sessions.delete(oldest);
      return;
    }
  }

  /** An account has answered the session's call. One that did so in another's stead is not the session's for that. */
  answered({ session, accountId, ifParked }: Binding): void {
    if (ifParked !== true) this.remember(session, accountId);
  }

  /** What is decided without the database, which else would say whom the session is bound to. */
  preferring(
    request: AdmissionRequest,
    decide: (request: AdmissionRequest) => Decision | undefined,
  ): Decision | undefined {
    const known = this.accountOf(request.session);
    if (known === undefined) return decide(request);
    const preferredAccountId = request.preferredAccountId ?? known;
    const decision = decide({ ...request, preferredAccountId });
    if (decision?.admitted !== true) return decision;
    return { ...decision, bound: { accountId: known, isParked: false } };
  }
}
