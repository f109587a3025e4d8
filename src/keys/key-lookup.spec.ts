import { readKeyRow, type KeyLookupRow } from './key-lookup.repository.ts';

const BOUND = {
  id: '01890a5d-ac96-774b-bcce-b302099a8057',
  places: false,
  budget: false,
  requestsPerMinute: null,
  tokensPerMinute: null,
};
const ROW: KeyLookupRow = {
  id: '01890a5d-ac96-774b-bcce-b302099a8057',
  version: '7',
  name: 'team',
  prefix: 'rk_abcdef',
  scopes: ['claude'],
  models: [],
  accounts: null,
  groups: null,
  bindingPolicy: 'strict',
  maxConcurrency: null,
  bounds: [BOUND],
  tags: [],
  enabled: true,
  expiresAt: null,
  revokedAt: null,
  secretExpiresAt: null,
  now: new Date(),
};

describe('a key row', () => {
  it('becomes a frozen key', () => {
    const found = readKeyRow({ ...ROW, maxConcurrency: 3 });
    expect(found?.key).toMatchObject({ version: 7n, scopes: ['claude'], maxConcurrency: 3 });
    expect(Object.isFrozen(found?.key)).toBe(true);
  });

  it.each([
    ['id', ''],
    ['version', 'x'],
    ['scopes', null],
    ['scopes', [null]],
    ['scopes', 'claude'],
    ['models', [1]],
    ['accounts', {}],
    ['groups', [null]],
    ['bindingPolicy', ''],
    ['maxConcurrency', -1],
    ['bounds', undefined],
    ['bounds', []],
    ['bounds', [{ ...BOUND, id: 'another' }]],
    ['bounds', [BOUND, { ...BOUND, budget: null }]],
    ['bounds', [{ ...BOUND, tokensPerMinute: 0 }]],
    ['tags', undefined],
    ['enabled', null],
    ['enabled', 1],
    ['expiresAt', Infinity],
    ['expiresAt', new Date(Number.NaN)],
    ['revokedAt', 'yes'],
    ['secretExpiresAt', undefined],
  ])('with %s = %p opens nothing', (column, value) => {
    expect(readKeyRow({ ...ROW, [column]: value })).toBeUndefined();
  });
});
