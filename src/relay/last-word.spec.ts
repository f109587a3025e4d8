import { RelayError } from '../errors/relay-error.ts';
import { lastWord } from './last-word.ts';
import type { KeptAnswer, Miss } from './miss.ts';

const limited: KeptAnswer = { status: 429, headers: { 'retry-after': '10' }, body: Buffer.from('{}') };
const broken = new RelayError('upstream-unreachable', 'The upstream cannot be reached');
const parked = new RelayError('account-fault', 'It needs attention', 'never');

const miss = (change: Partial<Miss>): Miss => ({ blame: 'account', told: limited, free: false, ...change });

describe('the last word to a client', () => {
  it('is the vendor’s trouble as it came', () => {
    expect(lastWord([miss({ backInMs: 5_000 }), miss({ blame: 'vendor', told: broken })], undefined)).toBe(
      broken,
    );
  });

  it('names the soonest time at which any account is back, of those tried and those that rest', () => {
    const misses = [miss({ backInMs: 40_000 }), miss({ backInMs: 90_000 })];
    expect(lastWord(misses, undefined)).toEqual({ ...limited, headers: { 'retry-after': '40' } });
    const refused = { admitted: false, refusal: 'accounts-cooling', retryAfterMs: 7_100 } as const;
    expect(lastWord(misses, refused)).toEqual({ ...limited, headers: { 'retry-after': '8' } });
  });

  it('says that nobody should ask again only where no account comes back by itself', () => {
    expect(lastWord([miss({ told: parked })], undefined)).toBe(parked);
    const told = lastWord([miss({ backInMs: 3_000 }), miss({ told: parked })], undefined);
    expect(told).toMatchObject({ code: 'account-fault', retry: 3 });
  });

  it('is about the key once that may not call any more', () => {
    const told = lastWord([miss({})], { admitted: false, refusal: 'key-unusable' });
    expect(told).toMatchObject({ code: 'key-missing', status: 401 });
  });
});
