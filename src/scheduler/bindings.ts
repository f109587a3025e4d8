import type { Queryable } from '../database/statement.ts';
import type { AdmissionRequest, Decision } from './admission.ts';
import { type Binding, bindSessions, forgetBindings } from './sql/bindings.ts';

const COLLECT_MS = 20;
/** Of those that only say that their session was used, which nobody needs to know before its cache is nearly gone. */
const COLLECT_USES_MS = 1_000;
const LARGEST_BATCH = 64;
/** What a slow database leaves waiting; beyond it the oldest are forgotten. */
const MOST_PENDING = 5_000;
/** About 100 bytes each; beyond it only sessions that have a row are bound until some are over. */
const MOST_BINDINGS = 500_000;
const FORGOTTEN_AT_ONCE = 5_000;

/**
 * Bindings on their way to the database, beside the calls that make them: collected for 20 ms, or
 * a second where they change nothing but the time, or up to 64; one statement in flight. One that is lost costs the vendor's cache of a session once, so that nothing is tried again.
 *
 * States of one: collected → in the batch in flight → written or lost. `full`: the table holds as many as it may.
 */
export class Bindings {
  private readonly pending = new Map<string, Binding>();
  private inFlight: ReadonlyMap<string, Binding> = new Map();
  private timer: NodeJS.Timeout | undefined;
  /** Whether the timer is one for news. */
  private soon = false;
  private writing: Promise<void> | undefined;
  private full = false;

  constructor(
    private readonly db: Queryable,
    private readonly lost: (error: unknown) => void,
  ) {}

  bind(binding: Binding): void {
    const { session } = binding;
    const known = this.pending.get(session);
    const told = known?.accountId === binding.accountId ? both(known, binding) : binding;
    if (told === known) return;
    // Behind those that came since, since it is as new as they are.
    this.pending.delete(session);
    this.pending.set(session, told);
    if (this.pending.size > MOST_PENDING) for (const [oldest] of this.take(1)) this.pending.delete(oldest);
    if (this.pending.size >= LARGEST_BATCH) this.start();
    else this.startIn(binding.isUse !== true);
  }

  /** The account that a session will be bound to, once that is written; of a mere use the database knows it. */
  pendingFor(session: string): string | undefined {
    const pending = this.pending.get(session) ?? this.inFlight.get(session);
    return pending?.ifParked === true || pending?.isUse === true ? undefined : pending?.accountId;
  }

  /** A session's next call may come before the binding is written that its last one made. */
  preferring<D extends Decision | undefined>(
    request: AdmissionRequest,
    ask: (request: AdmissionRequest) => Promise<D>,
  ): Promise<D | Decision> {
    const { session } = request;
    const pending = session && this.pendingFor(session);
    return pending === undefined ? ask(request) : this.preferringOne(pending, request, ask);
  }

  /** Resolves when nothing is pending: written, or lost. */
  async flush(): Promise<void> {
    while (this.pending.size > 0 || this.writing !== undefined) {
      this.start();
      await this.writing;
    }
  }

  /** Forgets bindings whose cache is gone. */
  async tend(): Promise<void> {
    for (;;) {
      const { deleted, left } = await forgetBindings(this.db, FORGOTTEN_AT_ONCE, MOST_BINDINGS);
      this.full = left >= MOST_BINDINGS;
      if (deleted < FORGOTTEN_AT_ONCE) return;
    }
  }

  private async preferringOne<D extends Decision | undefined>(
    accountId: string,
    request: AdmissionRequest,
    ask: (request: AdmissionRequest) => Promise<D>,
  ): Promise<D | Decision> {
    const prefers = request.preferredAccountId === undefined;
    const decision = await ask(prefers ? { ...request, preferredAccountId: accountId } : request);
    if (!decision?.admitted || decision.bound?.accountId === accountId) return decision;
    return { ...decision, bound: { accountId, isParked: false } };
  }

  private startIn(soon: boolean): void {
    if (this.timer !== undefined && (this.soon || !soon)) return;
    clearTimeout(this.timer);
    this.soon = soon;
    this.timer = setTimeout(() => this.start(), soon ? COLLECT_MS : COLLECT_USES_MS).unref();
  }

  private start(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.writing !== undefined || this.pending.size === 0) return;
    const batch = new Map(this.take(LARGEST_BATCH));
    for (const session of batch.keys()) this.pending.delete(session);
    this.inFlight = batch;
    this.writing = bindSessions(this.db, [...batch.values()], !this.full)
      .catch(this.lost)
      .finally(() => {
        this.writing = undefined;
        this.inFlight = new Map();
        this.start();
      });
  }

  private take(count: number): [string, Binding][] {
    const taken: [string, Binding][] = [];
    for (const entry of this.pending) {
      if (taken.length === count) break;
      taken.push(entry);
    }
    return taken;
  }
}

/** What two calls say that went to one account: a use takes nothing from news that are not written yet. */
function both(known: Binding, binding: Binding): Binding {
  if (binding.isUse !== true) return { ...binding, livesS: Math.max(known.livesS, binding.livesS) };
  return known.livesS >= binding.livesS ? known : { ...known, livesS: binding.livesS };
}
