import { DatabaseClock } from './database-clock.ts';

describe('the time of the database', () => {
  let passed = 5_000;
  const at = (ms: number): Date => new Date(Date.UTC(2026, 0, 1) + ms);

  it('goes on between two answers, whatever the machine thinks', () => {
    const clock = new DatabaseClock(() => passed);
    expect(clock.isPast(at(0))).toBe(false);
    clock.learn(at(0));
    expect([clock.isPast(at(0)), clock.isPast(at(1)), clock.isPast(null)]).toEqual([true, false, false]);
    passed += 1_000;
    expect([clock.isPast(at(1_000)), clock.isPast(at(1_001))]).toEqual([true, false]);
    clock.learn(at(3_600_000));
    expect(clock.isPast(at(3_600_000))).toBe(true);
  });
});
