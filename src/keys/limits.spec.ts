import { changedLimits, NO_LIMITS, showLimits } from './limits.ts';

const SOME = changedLimits(
  { requestsPerMinute: 60, concurrency: 2, budgets: [{ period: 'total', usd: '0.000000001' }] },
  NO_LIMITS,
);

describe('limits', () => {
  it('are kept where the wish leaves them out', () => {
    expect(changedLimits(undefined, SOME)).toEqual(SOME);
    expect(changedLimits({}, SOME)).toEqual(SOME);
    expect(changedLimits({ concurrency: 3 }, SOME)).toEqual({ ...SOME, concurrency: 3 });
  });

  it('are taken back by null, one or all', () => {
    expect(changedLimits(null, SOME)).toEqual(NO_LIMITS);
    expect(changedLimits({ requestsPerMinute: null }, SOME)).toEqual({ ...SOME, requestsPerMinute: null });
    for (const budgets of [null, []]) {
      expect(changedLimits({ budgets }, SOME)).toEqual({ ...SOME, budgets: NO_LIMITS.budgets });
    }
  });

  it('have a new list of budgets in place of the one before', () => {
    const { budgets } = changedLimits({ budgets: [{ period: 'day', usd: '25' }] }, SOME);
    expect(budgets).toEqual({ day: '25000000000', month: null, total: null });
  });

  it('are shown with every name, budgets by day, month, total', () => {
    const wish = [
      { period: 'total', usd: '999999999.999999999' },
      { period: 'day', usd: '0' },
    ] as const;
    expect(showLimits(changedLimits({ budgets: [...wish] }, NO_LIMITS))).toEqual({
      requestsPerMinute: null,
      tokensPerMinute: null,
      concurrency: null,
      budgets: [
        { period: 'day', usd: '0.00' },
        { period: 'total', usd: '999999999.999999999' },
      ],
    });
  });
});
