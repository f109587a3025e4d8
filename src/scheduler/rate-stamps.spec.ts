import { type Rate, RateStamps } from './rate-stamps.ts';

const REQUESTS: Rate = { id: 'key', requestsPerMinute: 60, tokensPerMinute: null };
const TOKENS: Rate = { id: 'team', requestsPerMinute: null, tokensPerMinute: 6_000 };

describe('RateStamps', () => {
  it('let in ten seconds of the rate at once, and one call of each 1/rate from then on', () => {
    let now = 0;
    const stamps = new RateStamps(() => now);
    const taken: number[] = [];
    for (; now < 60_000; now += 10) {
      while (stamps.waitMs([REQUESTS]) === 0) {
        stamps.take([REQUESTS], 1);
        taken.push(now);
      }
    }
    expect(taken.filter((at) => at === 0)).toHaveLength(11);
    expect(taken).toHaveLength(70);
  });

  it('save up nothing beyond that', () => {
    let now = 0;
    const stamps = new RateStamps(() => now);
    stamps.take([REQUESTS], 1);
    now = 300_000;
    for (let call = 0; call < 11; call += 1) stamps.take([REQUESTS], 1);
    expect(stamps.waitMs([REQUESTS])).toBe(1_000);
  });

  it('tell the time that is missing of the one that has the least room', () => {
    let now = 0;
    const stamps = new RateStamps(() => now);
    for (let call = 0; call < 11; call += 1) stamps.take([REQUESTS, TOKENS], 200);
    now = 400;
    expect(stamps.waitMs([REQUESTS])).toBe(600);
    expect(stamps.waitMs([REQUESTS, TOKENS])).toBe(11_600);
    now = 12_000;
    expect(stamps.waitMs([REQUESTS, TOKENS])).toBe(0);
  });

  it('count a call that asks for more than a minute has as a minute’s', () => {
    const stamps = new RateStamps(() => 0);
    stamps.take([TOKENS], 1_000_000);
    expect(stamps.waitMs([TOKENS])).toBe(50_000);
  });

  it('bind nobody who has no rate', () => {
    const stamps = new RateStamps(() => 0);
    stamps.take([], 1_000);
    expect(stamps.waitMs([])).toBe(0);
  });

  it('forget only stamps that are over', () => {
    let now = 0;
    const stamps = new RateStamps(() => now);
    for (let call = 0; call < 11; call += 1) stamps.take([REQUESTS], 1);
    now = 500;
    stamps.tidy();
    expect(stamps.waitMs([REQUESTS])).toBe(500);
  });
});
