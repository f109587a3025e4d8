import type { DecisionRow, StoredAccount, StoredDecision } from './ledger-row.ts';
import type { AttemptDto } from './requests.dto.ts';

/** Whether an account rested at the moment when that of an attempt was chosen. */
export interface RestQuestion {
  readonly attempt: number;
  readonly accountId: string;
  /** What rests of its model are kept under; null: an older build did not tell. */
  readonly family: string | null;
  readonly at: Date;
}

/** Those considered, with the ones that their list left out. */
export function accountsOf({ considered, beside = [] }: StoredDecision): readonly StoredAccount[] {
  return considered === undefined ? [] : [...considered.accounts, ...beside];
}

/** Of every candidate that was not taken. */
export function restQuestions(attempts: readonly AttemptDto[], rows: readonly DecisionRow[]): RestQuestion[] {
  const decisions = new Map(rows.map(({ attempt, decision }) => [attempt, decision]));
  const waited = (attempt: number): number => decisions.get(attempt)?.waitedMs ?? 0;
  return attempts.flatMap(({ attempt, account, admittedAt }, index) => {
    const stored = decisions.get(attempt);
    const before = attempts[index - 1];
    if (!stored || before?.durationMs === null) return [];
    // Every attempt of a call has the time of its admission; durations count from the client's request.
    const later = before === undefined ? 0 : before.durationMs - waited(1) + waited(attempt);
    const at = new Date(Date.parse(admittedAt) + Math.max(later, 0));
    return accountsOf(stored)
      .filter(({ id, not }) => id !== account.id && not === undefined)
      .map(({ id, family = stored.considered?.family ?? null }) => ({ attempt, accountId: id, family, at }));
  });
}
