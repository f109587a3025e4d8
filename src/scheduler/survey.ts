import type { Queryable } from '../database/statement.ts';
import { type AdmissionRequest, AdmissionUnavailable, type Candidate, type Decision } from './admission.ts';
import type { Bindings } from './bindings.ts';
import type { Clocks } from './clocks.ts';
import type { Replica } from './replica.ts';
import { admitBatch } from './sql/admit-batch.ts';
import { boundAccount } from './sql/bindings.ts';
import { type CandidateState, stateOfCandidates } from './sql/candidate-state.ts';
import { keyNames, type OpenLeases, openLeases, type ReplicaState, replicaStates } from './sql/overview.ts';

/** What administrators ask of the scheduler: how a call would be placed, and what is held. It takes nothing. */
export class Survey {
  constructor(
    private readonly hot: Queryable,
    private readonly replica: Replica,
    private readonly bindings: Bindings,
    private readonly clocks: Pick<Clocks, 'epochTtlMs'>,
  ) {}

  /**
   * What `Scheduler.admit` would decide at this moment, waits aside: the same statement, in a transaction that the
   * caller rolls back, so that nothing is taken.
   * @throws AdmissionUnavailable
   */
  async preview(transaction: Queryable, request: AdmissionRequest): Promise<Decision> {
    const epoch = this.replica.current();
    if (epoch !== undefined) {
      const decision = await this.bindings.preferring(request, async (wish) => {
        const decisions = await admitBatch(transaction, epoch, this.replica.aliveMs, [wish]);
        const [decision] = decisions ?? [];
        // It is asked with all its candidates.
        return decision !== undefined && 'admitted' in decision ? decision : undefined;
      });
      if (decision !== undefined) return decision;
    }
    throw new AdmissionUnavailable('This replica may not admit just now');
  }

  /** The account that a session is bound to at this moment, or will be once that is written. */
  async boundTo(session: string): Promise<string | undefined> {
    return this.bindings.pendingFor(session) ?? (await boundAccount(this.hot, session));
  }

  /** Candidates as admission finds them at this moment, in the order in which it would take them. */
  stateOf(candidates: readonly Candidate[], preferredAccountId?: string): Promise<CandidateState[]> {
    return stateOfCandidates(this.hot, candidates, preferredAccountId);
  }

  /** Open calls of all replicas. */
  leases(most: number): Promise<OpenLeases> {
    return openLeases(this.hot, most);
  }

  /** Names of keys, deleted ones included. */
  keyNames(ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
    return keyNames(this.hot, ids);
  }

  /** Every replica that lives, or has ended and is not swept yet, or ended lately. */
  replicas(): Promise<ReplicaState[]> {
    return replicaStates(this.hot, this.clocks.epochTtlMs, this.replica.current());
  }
}
