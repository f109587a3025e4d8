import { RetryRatio } from './retry-ratio.ts';

describe('the retry ratio', () => {
  let now = 0;
  let ratio: RetryRatio;
  beforeEach(() => {
    now = 1_000_000;
    ratio = new RetryRatio(() => now);
  });
  const taken = (offered: number): number =>
    Array.from({ length: offered }, () => ratio.take(false)).filter(Boolean).length;
  const calls = (count: number): void => {
    for (let index = 0; index < count; index += 1) {
      ratio.began();
      ratio.ended();
    }
  };

  it('lets a process with few calls try a second account, fewer times where that does not help', () => {
    calls(1);
    expect(taken(10)).toBe(5);
    now += 60_000;
    calls(30);
    let helped = 0;
    while (ratio.take(false)) {
      ratio.helped();
      helped += 1;
    }
    expect(helped).toBe(20);
  });

  it('is a fifth of the calls of the last minute: U9', () => {
    calls(200);
    expect(taken(200)).toBe(40);
    now += 59_000;
    calls(100);
    expect(taken(100)).toBe(20);
    now += 1_000;
    // The first minute is over, with its calls and its repetitions.
    expect(taken(100)).toBe(0);
  });

  it('is a fifth of the calls under way, where they have been for longer than a minute', () => {
    for (let index = 0; index < 100; index += 1) ratio.began();
    now += 300_000;
    expect(taken(100)).toBe(20);
    for (let index = 0; index < 100; index += 1) ratio.ended();
    now += 300_000;
    expect(taken(100)).toBe(5);
  });

  it('counts what it does not refuse', () => {
    calls(100);
    for (let index = 0; index < 20; index += 1) expect(ratio.take(true)).toBe(true);
    expect(ratio.take(false)).toBe(false);
    expect(ratio.take(true)).toBe(true);
  });
});
