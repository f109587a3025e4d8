import type { Verdict } from '../upstream/upstream.ts';
import { restFor } from './cooldown-policy.ts';

const FAMILY = 'claude-sonnet-5';
const account = (change: Partial<Extract<Verdict, { at: 'account' }>>): Verdict => ({
  at: 'account',
  reason: 'rate-limit',
  mend: 'time',
  scope: 'account',
  ...change,
});
const at = (verdict: Verdict, random: number) => restFor(verdict, FAMILY, () => random);

describe('the rest that a verdict asks for', () => {
  it.each<[string, Verdict]>([
    ['the caller', { at: 'client' }],
    ['a credential', { at: 'credential', reason: 'authentication' }],
    ['the vendor', { at: 'provider', reason: 'server-error' }],
  ])('is none when the fault is with %s', (_, verdict) => {
    expect(at(verdict, 0)).toBeUndefined();
  });

  it('is as long as was said, and up to a tenth longer', () => {
    const verdict = account({ retryAfterMs: 60_000 });
    expect(at(verdict, 0)).toEqual({ modelFamily: null, reason: 'rate-limit', forMs: 60_000 });
    expect(at(verdict, 1)?.forMs).toBe(66_000);
  });

  it('of a few seconds is exactly that, so that who waits for it is served', () => {
    expect(at(account({ retryAfterMs: 1_000 }), 1)?.forMs).toBe(1_000);
  });

  it('of days is longer by half a minute at most', () => {
    const days = 5 * 86_400_000;
    expect(at(account({ retryAfterMs: days }), 1)?.forMs).toBe(days + 30_000);
  });

  it('is the model family’s where the limit is the model’s', () => {
    expect(at(account({ scope: 'model', retryAfterMs: 1_000 }), 0)).toMatchObject({ modelFamily: FAMILY });
  });

  it('is short and grows where a throttle names no time, longer for what is spent', () => {
    expect(at(account({}), 0)).toMatchObject({ forMs: 10_000, growsToMs: 300_000 });
    expect(at(account({ reason: 'edge-refused' }), 0)).toMatchObject({ forMs: 60_000, growsToMs: 3_600_000 });
  });

  it('waits for a person where the whole account needs one, and is tried again for a mere model', () => {
    const low = account({ reason: 'low-credit', mend: 'person' });
    expect(at(low, 0)).toEqual({ modelFamily: null, reason: 'low-credit', forMs: 'infinity' });
    const forbidden = account({ reason: 'permission', mend: 'person', scope: 'model' });
    expect(at(forbidden, 0)).toEqual({
      modelFamily: FAMILY,
      reason: 'permission',
      forMs: 3_600_000,
      growsToMs: 86_400_000,
    });
  });
});
