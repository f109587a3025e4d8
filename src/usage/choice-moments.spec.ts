import { restQuestions } from './choice-moments.ts';
import type { DecisionRow } from './ledger-row.ts';
import type { AttemptDto } from './requests.dto.ts';

const attempt = (number: number, account: string, durationMs: number | null): AttemptDto =>
  ({
    attempt: number,
    account: { id: account, name: null },
    admittedAt: '2026-11-23T22:00:10.000Z',
    durationMs,
  }) as AttemptDto;

const accounts = [{ id: 'a' }, { id: 'b', family: 'inner' }, { id: 'c', not: 'disabled' as const }];

function decided(number: number, waitedMs: number, family?: string): DecisionRow {
  const considered = { accounts, omitted: 0, ...(family !== undefined && { family }) };
  return {
    attempt: number,
    decision: { affinity: { source: 'none', result: 'none' }, waitedMs, considered },
  };
}

describe('the moments at which accounts were chosen', () => {
  it('are the admission, and for a later attempt the end of the one before and its own wait', () => {
    // Asked 4 s before it was admitted; the first attempt ended 7 s after it was asked, the second waited 1 s more.
    const found = restQuestions(
      [attempt(1, 'a', 7_000), attempt(2, 'b', 9_000)],
      [decided(1, 4_000, 'claude-x'), decided(2, 1_000, 'claude-x')],
    );
    expect(found).toEqual([
      { attempt: 1, accountId: 'b', family: 'inner', at: new Date('2026-11-23T22:00:10Z') },
      { attempt: 2, accountId: 'a', family: 'claude-x', at: new Date('2026-11-23T22:00:14Z') },
    ]);
  });

  it('are not known where the attempt before has no duration, nor the family where an older build wrote', () => {
    const found = restQuestions(
      [attempt(1, 'b', null), attempt(2, 'a', 9_000)],
      [decided(1, 0), decided(2, 0)],
    );
    expect(found).toEqual([
      { attempt: 1, accountId: 'a', family: null, at: new Date('2026-11-23T22:00:10Z') },
    ]);
  });
});
