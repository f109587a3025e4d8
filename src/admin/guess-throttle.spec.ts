import { GuessThrottle } from './guess-throttle.ts';

describe('the throttle of guesses', () => {
  let now = 0;
  const make = (): GuessThrottle => new GuessThrottle(3, 1_000, 2, () => now);
  const guess = (throttle: GuessThrottle, address: string, times: number): void => {
    for (let i = 0; i < times; i += 1) throttle.wasWrong(address);
  };

  it('lets an address be wrong a few times, then once for each period', () => {
    const throttle = make();
    guess(throttle, 'a', 2);
    expect(throttle.waitSeconds('a')).toBe(0);
    guess(throttle, 'a', 1);
    expect(throttle.waitSeconds('a')).toBe(1);
    now += 1_000;
    expect(throttle.waitSeconds('a')).toBe(0);
    guess(throttle, 'a', 1);
    expect(throttle.waitSeconds('a')).toBe(1);
  });

  it('does not hold one address against another', () => {
    const throttle = make();
    guess(throttle, 'a', 5);
    expect(throttle.waitSeconds('b')).toBe(0);
    expect(throttle.waitSeconds('a')).toBe(3);
  });

  it('forgets the address that was wrong longest ago rather than grow', () => {
    const throttle = make();
    guess(throttle, 'a', 3);
    guess(throttle, 'b', 3);
    guess(throttle, 'c', 3);
    expect([throttle.waitSeconds('a'), throttle.waitSeconds('c')]).toEqual([0, 1]);
  });
});
