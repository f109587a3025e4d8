import { Breaker } from './breaker.ts';

describe('the breaker', () => {
  let now = 0;
  const make = (): Breaker => new Breaker(5, 1_000, () => now);
  const fail = (breaker: Breaker, times: number): void => {
    for (let i = 0; i < times; i += 1) breaker.didFail();
  };

  it('stays closed while failures are not in a row', () => {
    const breaker = make();
    fail(breaker, 4);
    breaker.succeeded();
    fail(breaker, 4);
    expect(breaker.admits()).toBe(true);
  });

  it('opens after five failures and lets one probe a second pass', () => {
    const breaker = make();
    fail(breaker, 5);
    expect(breaker.isOpen).toBe(true);
    expect(breaker.admits()).toBe(false);
    now += 1_000;
    expect([breaker.admits(), breaker.admits()]).toEqual([true, false]);
    breaker.didFail();
    now += 1_000;
    expect([breaker.admits(), breaker.admits()]).toEqual([true, false]);
  });

  it('closes with the first success', () => {
    const breaker = make();
    fail(breaker, 7);
    breaker.succeeded();
    expect([breaker.admits(), breaker.admits(), breaker.isOpen]).toEqual([true, true, false]);
  });
});
