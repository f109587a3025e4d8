import type { Decision } from './admission.ts';
import { RateRefusals } from './rate-refusals.ts';

describe('refusals for a rate', () => {
  let now = 1_000;
  let refusals: RateRefusals;
  const call = { keyId: 'k', keyVersion: 1n, lane: 'generate' } as const;
  const refused = (retryAfterMs: number, refusal = 'requests-rate' as const): Decision => ({
    admitted: false,
    refusal,
    retryAfterMs,
  });
  beforeEach(() => {
    now = 1_000;
    refusals = new RateRefusals(() => now);
  });

  it('are known until the rate lets a call through, with the wait that is left', () => {
    refusals.note(call, refused(100));
    now += 40;
    expect(refusals.of(call)).toEqual(refused(60));
    now += 60;
    expect(refusals.of(call)).toBeUndefined();
  });

  it('stand for a quarter of a second at most, however long the wait', () => {
    refusals.note(call, refused(30_000));
    now += 249;
    expect(refusals.of(call)).toEqual(refused(29_751));
    now += 1;
    expect(refusals.of(call)).toBeUndefined();
  });

  it.each([
    ['another key', { ...call, keyId: 'other' }],
    ['the key as it was changed since', { ...call, keyVersion: 2n }],
    ['calls that count tokens, which no rate bounds', { ...call, lane: 'count' as const }],
  ])('say nothing of %s', (_whom, other) => {
    refusals.note(call, refused(100));
    expect(refusals.of(other)).toBeUndefined();
  });

  it.each<Decision>([
    { admitted: false, refusal: 'tokens-rate', retryAfterMs: 100 },
    { admitted: false, refusal: 'key-full' },
  ])('are none where what was refused may come back at any time', (decision) => {
    refusals.note(call, decision);
    expect(refusals.of(call)).toBeUndefined();
  });

  it('are kept of so many keys, and of others once those are over', () => {
    for (let key = 0; key < 10_001; key += 1) refusals.note({ ...call, keyId: `${key}` }, refused(100));
    expect(refusals.of({ ...call, keyId: '9999' })).toBeDefined();
    expect(refusals.of({ ...call, keyId: '10000' })).toBeUndefined();
    now += 100;
    refusals.note(call, refused(100));
    expect(refusals.of(call)).toBeDefined();
  });
});
