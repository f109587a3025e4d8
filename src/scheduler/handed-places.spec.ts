import { HandedPlaces, type Vacancy, type Want } from './handed-places.ts';
import type { Settlement } from './settlement.ts';

function vacancy(
  keyId: string,
  accountId: string,
  more: { placed?: boolean; keyFree?: boolean; lane?: Settlement['lane']; teams?: string[] } = {},
): Vacancy {
  const { placed = true, keyFree = false, lane = 'generate', teams = [] } = more;
  const settlement = { keyId, accountId, lane, teams } as unknown as Settlement;
  return { settlement, placed, keyFree };
}

function want(change: Partial<Want> = {}): Want {
  const all = { keyId: 'k1', lane: 'generate', keyLimited: true, teams: [], accounts: ['a1'] } as const;
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

  it('join the key’s place of one call and the account’s of another, where the rest of both is free', () => {
    const isLimited = (id: string): boolean => id === 'a1';
    const [key, account] = [vacancy('k1', 'a2'), vacancy('k2', 'a1', { keyFree: true })];
    const places = holding(key, account);
    expect(places.take(want({ isLimited }))).toEqual({ accountId: 'a1', vacancies: [key, account] });
    expect(places.empty()).toEqual([]);
  });

  it('of a limited key pass to calls of that key alone', () => {
    const one = vacancy('k1', 'a1');
    const places = holding(one);
    const other = want({ keyId: 'k2', keyLimited: false });
    expect(places.take(other)).toBe('accounts-full');
    expect(places.take(want({ keyLimited: false }))).toEqual({ accountId: 'a1', vacancies: [one] });
    places.add({ ...one, keyFree: true });
    expect(places.take(other)).toMatchObject({ accountId: 'a1' });
  });

  it('of a key pass to its calls under other teams no more', () => {
    const places = holding(vacancy('k1', 'a1', { teams: ['t1'] }));
    expect(places.take(want({ teams: ['t2'] }))).toBe('key-full');
    expect(places.take(want({ teams: ['t1'] }))).toMatchObject({ accountId: 'a1' });
  });

  it('of a limited account pass to calls on that account alone', () => {
    const places = holding(vacancy('k1', 'a2'));
    const isLimited = (id: string): boolean => id === 'a2';
    expect(places.take(want({ isLimited }))).toBe('accounts-full');
    expect(places.take(want({ isLimited, accounts: ['a1', 'a2'] }))).toMatchObject({ accountId: 'a2' });
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
