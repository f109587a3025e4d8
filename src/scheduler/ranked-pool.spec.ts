import type { Candidate } from './admission.ts';
import { RankedPool } from './ranked-pool.ts';
import type { AccountStanding } from './sql/account-standings.ts';

const FAMILY = 'sonnet';

function standing(id: string, change: Partial<AccountStanding> = {}): AccountStanding {
  return {
    id,
    version: 1n,
    enabled: true,
    priority: 50,
    weight: 1,
    places: 4,
    inUse: 0,
    usedAt: 1_000,
    lean: null,
    rests: null,
    ...change,
  };
}

function candidate(accountId: string, tier = 0): Candidate {
  return { accountId, version: 1n, tier, modelFamily: FAMILY };
}

function pool(
  standings: readonly AccountStanding[],
  tiers: Readonly<Record<string, number>> = {},
  counting = false,
) {
  const byId = new Map(standings.map((one) => [one.id, one]));
  const candidates = standings.map(({ id }) => candidate(id, tiers[id]));
  const ranked = new RankedPool(candidates, counting, (id) => byId.get(id));
  const names = (most: number, unpriced?: ReadonlySet<string>): string =>
    ranked
      .best(most, unpriced)
      .candidates.map(({ accountId }) => accountId)
      .join('');
  return { ranked, byId, names };
}

const resting = (until: number | null, family: string | null = null) => ({
  rests: [{ family, until, probing: false }],
});

describe('the order of a pool', () => {
  it('is tier, near a limit, priority, load by weight, the longest unused', () => {
    const { names } = pool(
      [
        standing('f', { priority: 0 }),
        standing('e', { priority: 0, lean: [FAMILY] }),
        standing('d', { inUse: 2, weight: 1 }),
        standing('c', { inUse: 2, weight: 4, usedAt: 2_000 }),
        standing('b', { inUse: 1, weight: 2, usedAt: 1_500 }),
        standing('a', { priority: 10, inUse: 3, lean: ['another'] }),
      ],
      { f: 1 },
    );
    expect(names(6)).toBe('abcdef');
  });

  it('has those that cannot serve behind, the ones whose refusal the whole pool would tell first', () => {
    const { names, ranked } = pool([
      standing('f', { enabled: false }),
      standing('e', resting(null)),
      standing('d', resting(9_000)),
      standing('c', resting(5_000, FAMILY)),
      standing('b', { inUse: 4 }),
      standing('a', { ...resting(9_000, 'another'), priority: 99 }),
      standing('B', { rests: [{ family: null, until: 1, probing: true }] }),
    ]);
    expect(names(7)).toBe('aBbcdef');
    expect(ranked.best(1, undefined).complete).toBe(true);
  });

  it('knows no account that is full to counting', () => {
    const both = [standing('b', { priority: 90 }), standing('a', { inUse: 4 })];
    expect(pool(both).names(2)).toBe('ba');
    expect(pool(both, {}, true).names(2)).toBe('ab');
  });

  it('begins with accounts that admission knows better: of newer settings, or not known at all', () => {
    const { ranked, byId, names } = pool([
      standing('a'),
      standing('b', { inUse: 4, version: 2n }),
      standing('c'),
    ]);
    expect(names(1)).toBe('b');
    byId.delete('c');
    byId.set('b', standing('b', { inUse: 4 }));
    ranked.sort();
    expect(names(2)).toBe('ca');
  });

  it('follows an account that has changed', () => {
    const { ranked, byId, names } = pool(['a', 'b', 'c', 'd'].map((id) => standing(id)));
    for (const [id, change, order] of [
      ['a', { inUse: 1 }, 'bcda'],
      ['c', { usedAt: 3_000 }, 'bdca'],
      ['b', resting(5_000), 'dcab'],
      ['a', {}, 'adcb'],
    ] as const) {
      byId.set(id, standing(id, change));
      ranked.moved(id);
      expect(names(4)).toBe(order);
    }
  });

  it('says whether somebody who could serve was left out', () => {
    const { ranked } = pool([standing('a'), standing('b'), standing('c', { inUse: 4 })]);
    expect(ranked.best(1, undefined).complete).toBe(false);
    expect(ranked.best(2, undefined).complete).toBe(true);
    expect(ranked.best(3, undefined).complete).toBe(true);
  });

  it('lists as many whose price is known, behind the best of all', () => {
    const { ranked, names } = pool(['a', 'b', 'c', 'd', 'e', 'f'].map((id) => standing(id)));
    const unpriced = new Set(['a', 'b', 'd']);
    expect(names(2, unpriced)).toBe('abce');
    expect(ranked.best(2, unpriced).complete).toBe(false);
    expect(names(6, new Set('abcdef'))).toBe('abcdef');
  });
});
