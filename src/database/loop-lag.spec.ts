import { LoopLag } from './loop-lag.ts';

describe('the lag of the event loop', () => {
  it('is what a standstill takes beyond a tick, for all who wait meanwhile', () => {
    let now = 0;
    const lag = new LoopLag(() => now);
    const [first, second] = [lag.watch(), lag.watch()];
    now += 500;
    expect(first()).toBe(480);
    const third = lag.watch();
    now += 120;
    expect([second(), third()]).toEqual([580, 100]);
  });

  it('is not what was before the wait began', () => {
    let now = 0;
    const lag = new LoopLag(() => now);
    lag.watch()();
    now += 1_000;
    const end = lag.watch();
    now += 10;
    expect(end()).toBe(0);
  });

  it('is not the little by which each tick of a busy loop is late', () => {
    let now = 0;
    const lag = new LoopLag(() => now);
    const end = lag.watch();
    for (let tick = 1; tick <= 25; tick += 1) {
      now += 40;
      lag.watch()();
    }
    expect(end()).toBe(0);
  });
});
