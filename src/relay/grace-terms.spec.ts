import type { ApiKey, Bound } from '../keys/api-key.ts';
import type { Account } from '../upstream/account.ts';
import { graceTerms } from './grace-terms.ts';

const FREE: Bound = {
  id: 'key',
  places: false,
  budget: false,
  requestsPerMinute: null,
  tokensPerMinute: null,
};
const ACCOUNTS = [
  { id: 'free', maxConcurrency: 0, priority: 10 },
  { id: 'narrow', maxConcurrency: 3, priority: 20 },
] as Account[];

function terms(...bounds: readonly Bound[]) {
  return graceTerms({ id: 'key', bounds } as unknown as ApiKey, ACCOUNTS);
}

describe('graceTerms', () => {
  it('are those of a key that nothing binds', () => {
    expect(terms(FREE)).toMatchObject({ limited: false, rates: [], teams: [] });
  });

  it.each([
    ['its own', [{ ...FREE, budget: true }]],
    ['its team’s', [FREE, { ...FREE, id: 'team', budget: true }]],
    ['a team’s above', [FREE, { ...FREE, id: 'team' }, { ...FREE, id: 'above', budget: true }]],
  ])('are none where there is a budget: %s', (_whose, bounds) => {
    expect(terms(...bounds)).toBeUndefined();
  });

  it('have the places and rates of every team above, the nearest first', () => {
    const team = { ...FREE, id: 'team', requestsPerMinute: 5 };
    const above = { ...FREE, id: 'above', places: true, tokensPerMinute: 100 };
    expect(terms(FREE, team, above)).toMatchObject({
      limited: true,
      rates: [team, above],
      teams: ['team', 'above'],
    });
  });

  it('take an account for limited that is not known', () => {
    const found = terms(FREE);
    expect(['free', 'narrow', 'gone'].map((id) => found?.isLimited(id))).toEqual([false, true, true]);
    expect(found?.priorityOf('narrow')).toBe(20);
  });
});
