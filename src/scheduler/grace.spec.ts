import { DatabaseUnavailable } from '../database/database-unavailable.ts';
import { type AdmissionRequest, AdmissionUnavailable } from './admission.ts';
import { Grace } from './grace.ts';

const GRACE_MS = 30_000;
const GONE = new DatabaseUnavailable('timeout');

describe('the time of grace', () => {
  let now = 0;
  let grace: Grace;
  beforeEach(() => {
    now = 1_000;
    const neighbours = {
      isSafe: () => true,
      settle: () => undefined,
      freed: () => undefined,
      changed: () => undefined,
      admitted: () => undefined,
    };
    grace = new Grace({ last: () => 'epoch' }, GRACE_MS, neighbours, () => now);
  });

  /** An admission was sent at this moment, and no answer came. */
  const vain = (): void => {
    grace.failed(GONE);
    const request = { keyId: 'k', lane: 'generate', candidates: [] } as unknown as AdmissionRequest;
    grace.decide(request, new AdmissionUnavailable('gone', { cause: GONE }));
  };

  it('passes while heartbeats are answered, as long as no admission is', () => {
    vain();
    for (let beat = 0; beat < 9; beat += 1) {
      now += 3_000;
      grace.answered(now, false);
      vain();
      expect(grace.isOpen).toBe(true);
    }
    now += 3_001;
    grace.answered(now, false);
    vain();
    expect(grace.isOpen).toBe(false);
  });

  it('is whole again after an admission was answered', () => {
    vain();
    now += GRACE_MS + 1;
    expect(grace.isOpen).toBe(false);
    grace.answered(now, true);
    now += 1;
    vain();
    expect(grace.isOpen).toBe(true);
  });

  it('is whole again after any answer where no admission was asked meanwhile', () => {
    grace.failed(GONE);
    now += GRACE_MS + 1;
    grace.answered(now, false);
    vain();
    expect(grace.isOpen).toBe(true);
  });

  it('is whole again after any answer once nobody has asked for long', () => {
    vain();
    now += 10 * GRACE_MS;
    grace.answered(now, false);
    vain();
    expect(grace.isOpen).toBe(false);
    now += 10 * GRACE_MS + 1;
    grace.answered(now, false);
    vain();
    expect(grace.isOpen).toBe(true);
  });

  it('lets calls in that met a full pool, if the database was known to be away', () => {
    const terms = { limited: false, isLimited: () => false, rates: [], teams: [], priorityOf: () => 50 };
    const candidates = [{ accountId: 'a', version: 1n, tier: 0, modelFamily: 'm' }];
    const request = { requestId: 'r', keyId: 'k', lane: 'generate', candidates, grace: terms };
    const full = new AdmissionUnavailable('full', { cause: new DatabaseUnavailable('pool-full') });
    const decide = () => grace.decide(request as unknown as AdmissionRequest, full);
    grace.failed(full.cause);
    expect(decide()).toBeUndefined();
    grace.failed(GONE);
    expect(decide()).toMatchObject({ admitted: true, lease: { accountId: 'a' } });
    grace.answered(now, true);
    expect(decide()).toBeUndefined();
  });

  it('passes by an account for the models that it rests for, and for no others', () => {
    const terms = { limited: false, isLimited: () => false, rates: [], teams: [], priorityOf: () => 50 };
    const decide = (modelFamily: string) => {
      const candidates = [{ accountId: 'a', version: 1n, tier: 0, modelFamily }];
      const request = { requestId: 'r', keyId: 'k', lane: 'generate', candidates, grace: terms };
      const gone = new AdmissionUnavailable('gone', { cause: GONE });
      return grace.decide(request as unknown as AdmissionRequest, gone);
    };
    grace.cool({ accountId: 'a', modelFamily: 'opus', forMs: 60_000 });
    grace.failed(GONE);
    expect(decide('opus')).toMatchObject({ refusal: 'accounts-cooling', retryAfterMs: 60_000 });
    expect(decide('haiku')).toMatchObject({ admitted: true });
    grace.cool({ accountId: 'a', modelFamily: null, forMs: 10_000 });
    expect(decide('opus')).toMatchObject({ refusal: 'accounts-cooling', retryAfterMs: 60_000 });
    expect(decide('haiku')).toMatchObject({ refusal: 'accounts-cooling', retryAfterMs: 10_000 });
  });

  it('is not ended by an answer to what was asked before the outage', () => {
    vain();
    grace.answered(now - 1, true);
    expect(grace.isOpen).toBe(true);
    now += GRACE_MS + 1;
    vain();
    expect(grace.isOpen).toBe(false);
  });
});
