import { type Rate, RateStamps } from './rate-stamps.ts';

const REQUESTS: Rate = { id: 'key', requestsPerMinute: 60, tokensPerMinute: null };
const TOKENS: Rate = { id: 'team', requestsPerMinute: null, tokensPerMinute: 6_000 };

describe('RateStamps', () => {
  it('let in one call of each 1/rate, without a burst', () => {
    let now = 0;
    const stamps = new RateStamps(() => now);
    let taken = 0;
    for (; now < 60_000; now += 10) {
      if (stamps.waitMs([REQUESTS]) > 0) continue;
      stamps.take([REQUESTS], 1);
      taken += 1;
    }
    expect(taken).toBe(60);
  });

  it('tell the time that is missing of the one that has the least room', () => {
    let now = 0;
    const stamps = new RateStamps(() => now);
    stamps.take([REQUESTS, TOKENS], 500);
    now = 400;
    expect(stamps.waitMs([REQUESTS])).toBe(600);
    expect(stamps.waitMs([REQUESTS, TOKENS])).toBe(4_600);
    now = 5_000;
    expect(stamps.waitMs([REQUESTS, TOKENS])).toBe(0);
  });

  it('count a call that asks for more than a minute has as a minute’s', () => {
    const stamps = new RateStamps(() => 0);
    stamps.take([TOKENS], 1_000_000);
    expect(stamps.waitMs([TOKENS])).toBe(60_000);
  });

  it('bind nobody who has no rate', () => {
    const stamps = new RateStamps(() => 0);
    stamps.take([], 1_000);
    expect(stamps.waitMs([])).toBe(0);
  });

  it('forget only stamps that are over', () => {
    let now = 0;
    const stamps = new RateStamps(() => now);
    stamps.take([REQUESTS], 1);
    now = 500;
    stamps.tidy();
    expect(stamps.waitMs([REQUESTS])).toBe(500);
  });
});
