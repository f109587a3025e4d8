import { NO_LIMITS, type Limits } from './limits.ts';
import { standingOf, type Holder } from './standing.ts';

const NOW = 1_800_000_000_000_000n;

function holder(limits: Partial<Limits>, more: Partial<Holder> = {}): Holder {
  return {
    name: 'one',
    limits: { ...NO_LIMITS, ...limits },
    inUse: 0,
    now: String(NOW),
    tat: '0',
    tokTat: '0',
    tokHeld: '0',
    held: '0',
    used: { day: '0', month: '0', total: '0' },
    ends: { day: new Date('2027-01-16T00:00:00Z'), month: new Date('2027-02-01T00:00:00Z') },
    ...more,
  };
}

describe('what is left of', () => {
  it('no limits is not told', () => {
    expect(standingOf(holder({}, { inUse: 3, tokHeld: '50', tat: String(NOW + 5n) }))).toEqual({
      requestsPerMinute: { limit: null, left: null, resetsAt: null },
      tokensPerMinute: { limit: null, used: null, held: 50, left: null, resetsAt: null },
      concurrency: { limit: null, inUse: 3, left: null },
      budgets: [],
    });
  });

  it.each([
    ['nothing used', 0n, 4],
    ['one, this moment', 15_000_000n, 3],
    ['one, a while ago', 14_999_999n, 3],
    ['one, when it has nearly come back', 1n, 3],
    ['all four', 60_000_000n, 0],
    ['all four, and one has nearly come back', 45_000_001n, 0],
    ['all four, and one has come back', 45_000_000n, 1],
    ['more than there is now', 240_000_000n, 0],
  ])('four requests a minute after %s', (_, ahead, left) => {
    const { requestsPerMinute } = standingOf(holder({ requestsPerMinute: 4 }, { tat: String(NOW + ahead) }));
    const resetsAt = ahead === 0n ? null : new Date(Number((NOW + ahead) / 1000n)).toISOString();
    expect(requestsPerMinute).toEqual({ limit: 4, left, resetsAt });
  });

  it('a rate that does not divide a minute is never more than admission gives', () => {
    // 60,000,000 / 7 is rounded up to 8,571,429 µs a request.
    const at = (ahead: bigint) =>
      standingOf(holder({ requestsPerMinute: 7 }, { tat: String(NOW + ahead) })).requestsPerMinute.left;
    expect([at(0n), at(8_571_429n), at(6n * 8_571_429n), at(7n * 8_571_429n)]).toEqual([7, 6, 1, 0]);
  });

  it('tokens is less by those used and not come back, and by those that open calls hold', () => {
    const tokens = (ahead: bigint, tokHeld: string) =>
      standingOf(holder({ tokensPerMinute: 600 }, { tokTat: String(NOW + ahead), tokHeld })).tokensPerMinute;
    expect(tokens(-5n, '0')).toEqual({ limit: 600, used: 0, held: 0, left: 600, resetsAt: null });
    expect(tokens(10_000_000n, '30')).toMatchObject({ used: 100, held: 30, left: 470 });
    expect(tokens(10_000_001n, '0')).toMatchObject({ used: 101, left: 499 });
    expect(tokens(90_000_000n, '0')).toMatchObject({ used: 900, left: 0 });
  });

  it('places and budgets is never below nothing', () => {
    const budgets = { day: '1000000000', month: '5000000001', total: '0' };
    const used = { day: '1200000000', month: '3000000000', total: '7200000000' };
    const told = standingOf(holder({ concurrency: 2, budgets }, { inUse: 3, held: '1', used }));
    expect(told.concurrency).toEqual({ limit: 2, inUse: 3, left: 0 });
    const held = '0.000000001';
    expect(told.budgets).toEqual([
      {
        period: 'day',
        limit: '1.00',
        used: '1.20',
        held,
        left: '0.00',
        resetsAt: '2027-01-16T00:00:00.000Z',
      },
      {
        period: 'month',
        limit: '5.000000001',
        used: '3.00',
        held,
        left: '2.00',
        resetsAt: '2027-02-01T00:00:00.000Z',
      },
      { period: 'total', limit: '0.00', used: '7.20', held, left: '0.00', resetsAt: null },
    ]);
  });
});
