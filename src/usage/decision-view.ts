import { accountsOf } from './choice-moments.ts';
import type { AttemptDecisionDto, ConsideredAccountDto, NotTaken } from './decision.dto.ts';
import type { DecisionRow, RestRow, StoredAccount, StoredDecision } from './ledger-row.ts';
import type { KnownAccount } from './ledger.repository.ts';
import type { NamedDto } from './named.dto.ts';
import type { AttemptDto } from './requests.dto.ts';

/** What is known beside what was written with the attempts. */
export interface Lore {
  readonly accounts: ReadonlyMap<string, KnownAccount>;
  readonly rests: readonly RestRow[];
  /** Whether answers at this kind tell what is left of its limits, so that an account may be near one. */
  readonly tellsHeadroom: (kind: string) => boolean;
}

/** One attempt, and what came before it. */
interface Choice {
  readonly attempt: number;
  readonly stored: StoredDecision;
  /** The account taken. */
  readonly taken: NamedDto;
  readonly tried: readonly string[];
}

/** Every account that these decisions speak of, once. */
export function accountsIn(rows: readonly DecisionRow[]): string[] {
  const ids = rows.flatMap(({ decision }) =>
    decision === null
      ? []
      : [
          ...(decision.bound === undefined ? [] : [decision.bound]),
          ...accountsOf(decision).map(({ id }) => id),
        ],
  );
  return [...new Set(ids)];
}

export function withDecisions(
  attempts: readonly AttemptDto[],
  rows: readonly DecisionRow[],
  lore: Lore,
): (AttemptDto & { decision: AttemptDecisionDto | null })[] {
  const decisions = new Map(rows.map(({ attempt, decision }) => [attempt, decision]));
  const before: string[] = [];
  return attempts.map((one) => {
    const { attempt, account: taken } = one;
    const stored = decisions.get(attempt);
    const view = stored ? viewDecision({ attempt, stored, taken, tried: [...before] }, lore) : null;
    before.push(taken.id);
    return { ...one, decision: view };
  });
}

function viewDecision(choice: Choice, lore: Lore): AttemptDecisionDto {
  const { stored, taken } = choice;
  const { affinity, bound, considered, beside = [] } = stored;
  const named = (id: string): NamedDto => ({ id, name: lore.accounts.get(id)?.name ?? null });
  const view = (one: StoredAccount): ConsideredAccountDto => ({
    account: named(one.id),
    tier: one.tier ?? null,
    taken: one.id === taken.id,
    reason: one.not ?? reasonOf(one, choice, lore),
  });
  return {
    affinity: { ...affinity, account: affinity.result === 'hit' ? taken : bound ? named(bound) : null },
    waitedMs: stored.waitedMs ?? null,
    waitedFor: stored.waitedFor ?? null,
    accounts: considered === undefined ? null : accountsOf(stored).map(view),
    omitted: considered === undefined ? 0 : considered.omitted - beside.length,
  };
}

/** Why a candidate was not taken, as far as it follows from what was stored. */
function reasonOf(one: StoredAccount, choice: Choice, lore: Lore): NotTaken | null {
  const { attempt, stored, taken, tried } = choice;
  const { id } = one;
  if (id === taken.id) return null;
  if (stored.unsaid?.includes(id) === true) return 'unsaid';
  if (stored.passed?.includes(id) === true) return tried.includes(id) ? 'tried' : 'same-origin';
  if (id === stored.bound && stored.parked === true) return 'parked';
  const known = lore.rests.find((rest) => rest.attempt === attempt && rest.accountId === id);
  if (known?.rest) return known.rest;
  if (stored.unpriced?.includes(id) === true) return 'unpriced';
  if (!wentBefore(one, choice)) return null;
  // Nothing else is left, where a rest would be known and it cannot have been near a limit.
  const kind = lore.accounts.get(id)?.kind;
  const isFull = known?.whole === true && kind !== undefined && !lore.tellsHeadroom(kind);
  return isFull ? 'full' : 'unavailable';
}

/** It would have been taken, if it had been able and had had room. */
function wentBefore(one: StoredAccount, { stored, taken, tried }: Choice): boolean {
  // Whoever is preferred goes before all tiers: one that is tried again, then the bound one.
  if (tried.includes(taken.id)) return false;
  if (one.id === stored.bound) return true;
  if (stored.affinity.result === 'hit') return false;
  const other = accountsOf(stored).find(({ id }) => id === taken.id);
  if (one.tier === undefined || other?.tier === undefined) return false;
  if (one.tier !== other.tier) return one.tier < other.tier;
  return one.priority !== undefined && other.priority !== undefined && one.priority < other.priority;
}
