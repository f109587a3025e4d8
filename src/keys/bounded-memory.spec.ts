import { BoundedMemory } from './bounded-memory.ts';

describe('a bounded memory', () => {
  let now = 0;
  const make = (): BoundedMemory<number> => new BoundedMemory<number>(2, 1_000, () => now);

  it('forgets a value when its time is over', () => {
    const memory = make();
    memory.set('a', 1);
    now += 999;
    expect(memory.get('a')).toBe(1);
    now += 1;
    expect(memory.get('a')).toBeUndefined();
  });

  it('tells when more than half of the time is over', () => {
    const memory = make();
    memory.set('a', 1);
    now += 500;
    expect([memory.isHalfOver('a'), memory.isHalfOver('b')]).toEqual([false, false]);
    now += 1;
    expect(memory.isHalfOver('a')).toBe(true);
    memory.set('a', 2);
    expect(memory.isHalfOver('a')).toBe(false);
  });

  it('never holds more than it may: the oldest goes', () => {
    const memory = make();
    for (const id of ['a', 'b', 'a', 'c']) memory.set(id, 1);
    expect(['a', 'b', 'c'].map((id) => memory.get(id))).toEqual([1, undefined, 1]);
  });

  it('forgets what it is told to', () => {
    const memory = make();
    memory.set('a', 1);
    memory.set('b', 2);
    memory.forget((value) => value === 2);
    expect([memory.get('a'), memory.get('b')]).toEqual([1, undefined]);
    memory.clear();
    expect(memory.get('a')).toBeUndefined();
  });
});
