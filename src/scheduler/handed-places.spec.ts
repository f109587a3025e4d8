import { HandedPlaces, type Vacancy, type Want } from './handed-places.ts';
import type { Settlement } from './settlement.ts';

function vacancy(
  keyId: string,
  accountId: string,
  more: { placed?: boolean; lane?: Settlement['lane'] } = {},
): Vacancy {
  const settlement = { keyId, accountId, lane: more.lane ?? 'generate' } as Settlement;
  return { settlement, placed: more.placed ?? true };
}

function want(change: Partial<Want> = {}): Want {
  const all = { keyId: 'k1', lane: 'generate', keyLimited: true, accounts: ['a1'] } as const;
  return { ...all, isLimited: () => true, ...change };
}

function holding(...vacancies: readonly Vacancy[]): HandedPlaces {
  const places = new HandedPlaces();
  for (const one of vacancies) places.add(one);
  return places;
}

describe('HandedPlaces', () => {
  it('hand a place on once', () => {
    const one = vacancy('k1', 'a1');
    const places = holding(one);
    expect(places.take(want())).toEqual({ accountId: 'a1', vacancies: [one] });
    expect(places.take(want())).toBe('key-full');
  });

  it('are needed by nobody whose key and account are free', () => {
    const places = new HandedPlaces();
    const free = want({ keyLimited: false, isLimited: () => false });
    expect(places.take(free)).toEqual({ accountId: 'a1', vacancies: [] });
  });

  it('join the key’s place of one call and the account’s of another', () => {
    const [key, account] = [vacancy('k1', 'a2'), vacancy('k2', 'a1')];
    const places = holding(key, account);
    expect(places.take(want())).toEqual({ accountId: 'a1', vacancies: [key, account] });
    expect(places.empty()).toEqual([]);
  });

  it('take nothing when a part is missing, and tell which', () => {
    const places = holding(vacancy('k1', 'a2'));
    expect(places.take(want())).toBe('accounts-full');
    expect(places.take(want({ keyId: 'k3', accounts: ['a2'] }))).toBe('key-full');
    expect(places.empty()).toHaveLength(1);
  });

  it('go by the order of the accounts', () => {
    const places = holding(vacancy('k1', 'a2'));
    expect(places.take(want({ accounts: ['a1', 'a2'] }))).toMatchObject({ accountId: 'a2' });
  });

  it('do not hand on an account’s place that the call had perhaps lost', () => {
    const places = holding(vacancy('k1', 'a1', { placed: false }));
    expect(places.take(want())).toBe('accounts-full');
    expect(places.take(want({ isLimited: () => false }))).toMatchObject({ accountId: 'a1' });
  });

  it('of counting calls are the key’s alone, and for counting calls alone', () => {
    const counting = vacancy('k1', 'a1', { lane: 'count' });
    const places = holding(counting);
    expect(places.take(want())).toBe('key-full');
    expect(places.take(want({ lane: 'count', keyLimited: false, accounts: ['a9'] }))).toEqual({
      accountId: 'a9',
      vacancies: [counting],
    });
    expect(places.take(want({ lane: 'count', keyLimited: false }))).toBe('key-full');
  });
});
