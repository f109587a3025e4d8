import { version } from 'uuid';
import { RequestIds } from './request-ids.ts';

describe('request ids', () => {
  const AT = Date.UTC(2026, 0, 1);

  it('are uuids of version 7 that tell their millisecond', () => {
    const id = new RequestIds(() => AT).next();
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(version(id)).toBe(7);
    expect(Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)).toBe(AT);
  });

  it('stand in the order in which they were asked for, within a millisecond and when the clock is set back', () => {
    let now = AT;
    const ids = new RequestIds(() => now);
    const made: string[] = [];
    for (const at of [AT, AT + 1, AT - 5_000, AT + 2]) {
      now = at;
      for (let count = 0; count < 1_000; count += 1) made.push(ids.next());
    }
    expect([...made].sort()).toEqual(made);
    expect(new Set(made).size).toBe(made.length);
  });

  it('have random bytes of their own each, beyond what was drawn at once', () => {
    const ids = new RequestIds(() => AT);
    const ends = Array.from({ length: 2_000 }, () => ids.next().slice(-10));
    expect(new Set(ends).size).toBe(ends.length);
  });

  it('count on by one within a millisecond, in the 32 bits of RFC 9562 that stand around the variant', () => {
    const ids = new RequestIds(() => AT);
    const counter = (id: string): number => {
      const bits = BigInt(`0x${id.replaceAll('-', '')}`);
      // Twelve bits after the version, and twenty after the variant.
      return Number((((bits >> 64n) & 0xfffn) << 20n) | ((bits >> 42n) & 0xfffffn));
    };
    let last = counter(ids.next());
    for (let count = 0; count < 5_000; count += 1) {
      const now = counter(ids.next());
      expect(now).toBe(last + 1);
      last = now;
    }
  });
});
