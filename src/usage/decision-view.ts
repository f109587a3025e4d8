import type { AttemptDecisionDto, ConsideredAccountDto, NotTaken } from './decision.dto.ts';
import type { DecisionRow } from './ledger-row.ts';
import type { NamedDto } from './named.dto.ts';
import type { AttemptDto } from './requests.dto.ts';

type Stored = NonNullable<DecisionRow['decision']>;
type StoredAccount = NonNullable<Stored['considered']>['accounts'][number];

/** Every account that these decisions speak of, once. */
export function accountsIn(rows: readonly DecisionRow[]): string[] {
  const ids = rows.flatMap(({ decision }) => [
    ...(decision?.bound === undefined ? [] : [decision.bound]),
    ...(decision?.considered?.accounts ?? []).map(({ id }) => id),
  ]);
  return [...new Set(ids)];
}

export function withDecisions(
  attempts: readonly AttemptDto[],
  rows: readonly DecisionRow[],
  names: ReadonlyMap<string, string>,
): (AttemptDto & { decision: AttemptDecisionDto | null })[] {
  const named = (id: string): NamedDto => ({ id, name: names.get(id) ?? null });
  const decisions = new Map(rows.map(({ attempt, decision }) => [attempt, decision]));
  const tried: string[] = [];
  return attempts.map((attempt) => {
    const stored = decisions.get(attempt.attempt);
    const view = stored ? viewDecision(stored, attempt.account, tried, named) : null;
    tried.push(attempt.account.id);
    return { ...attempt, decision: view };
  });
}

function viewDecision(
  stored: Stored,
  taken: NamedDto,
  tried: readonly string[],
  named: (id: string) => NamedDto,
): AttemptDecisionDto {
  const { affinity, bound, considered } = stored;
  const view = ({ id, tier, not }: StoredAccount): ConsideredAccountDto => ({
    account: named(id),
    tier: tier ?? null,
    taken: id === taken.id,
    reason: not ?? reasonOf(id, stored, taken.id, tried),
  });
  return {
    affinity: { ...affinity, account: affinity.result === 'hit' ? taken : bound ? named(bound) : null },
    waitedMs: stored.waitedMs ?? null,
    waitedFor: stored.waitedFor ?? null,
    accounts: considered?.accounts.map(view) ?? null,
    omitted: considered?.omitted ?? 0,
  };
}

/** Why a candidate was not taken, as far as it follows from what admission answered. */
function reasonOf(id: string, stored: Stored, taken: string, tried: readonly string[]): NotTaken | null {
  if (id === taken) return null;
  if (stored.unsaid?.includes(id) === true) return 'unsaid';
  if (stored.passed?.includes(id) === true) return tried.includes(id) ? 'tried' : 'same-origin';
  if (id === stored.bound) return stored.parked === true ? 'parked' : 'unavailable';
  // Whoever was preferred went before all tiers: the bound one, and one that is tried again.
  if (stored.affinity.result === 'hit' || tried.includes(taken)) return null;
  return isBefore(id, taken, stored) ? 'unavailable' : null;
}

function isBefore(id: string, taken: string, { considered }: Stored): boolean {
  const tierOf = (one: string): number | undefined =>
    considered?.accounts.find((account) => account.id === one)?.tier;
  const [own, its] = [tierOf(id), tierOf(taken)];
  return own !== undefined && its !== undefined && own < its;
}
