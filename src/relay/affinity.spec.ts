import type { Call, Session } from '../dialects/dialect.ts';
import type { AffinityResult } from '../scheduler/decision.ts';
import { affinityOf, bindingAfter, sessionDigest } from './affinity.ts';
import type { Try } from './try.ts';

const SESSION: Session = { source: 'metadata', name: 'abc', forAnHour: false };
const callOf = (session: Session | undefined, model = 'm'): Call =>
  ({ model, session }) as Pick<Call, 'model' | 'session'> as Call;

describe('the digest of a session', () => {
  it('is of key, model and session together, however odd they are', () => {
    const digests = [
      sessionDigest('key', callOf(SESSION)),
      sessionDigest('other', callOf(SESSION)),
      sessionDigest('key', callOf(SESSION, 'n')),
      sessionDigest('key', callOf({ ...SESSION, name: "'); drop table bindings; --\u0000" })),
    ];
    expect(new Set(digests).size).toBe(4);
    for (const digest of digests) expect(digest).toMatch(/^[0-9a-f]{32}$/);
  });

  it('does not depend on where the session was told', () => {
    const byHeader = callOf({ ...SESSION, source: 'claude-code' });
    expect(sessionDigest('key', byHeader)).toBe(sessionDigest('key', callOf(SESSION)));
    expect(sessionDigest('key', callOf(undefined))).toBeUndefined();
  });
});

describe('what a binding meant', () => {
  const bound = { accountId: 'a', isParked: false };
  const serves = (id: string): boolean => id !== 'gone';
  const cases: [AffinityResult, Parameters<typeof affinityOf>[1], string][] = [
    ['new', undefined, 'a'],
    ['hit', bound, 'a'],
    ['spill', bound, 'b'],
    ['rebound', { ...bound, isParked: true }, 'b'],
    ['rebound', { ...bound, accountId: 'gone' }, 'b'],
  ];
  it.each(cases)('%s: %j, and %s was taken', (result, was, taken) => {
    expect(affinityOf({ session: SESSION }, was, taken, serves)).toEqual({ source: 'metadata', result });
    expect(affinityOf({}, was, taken, serves)).toEqual({ source: 'none', result: 'none' });
  });
});

describe('the binding after an answer', () => {
  const tried = (result: AffinityResult, session = SESSION): Try => {
    const some = {
      call: callOf(session),
      session: 'd1',
      account: { id: 'b' },
      bound: { accountId: 'a', isParked: false },
      pool: [
        { accountId: 'b', modelFamily: 'fable' },
        { accountId: 'a', modelFamily: 'opus' },
      ],
      decision: { affinity: { source: session.source, result } },
    };
    return some as unknown as Try;
  };
  const binding = { session: 'd1', accountId: 'b', livesS: 300, isUse: false, ifParked: false };

  it('is made, kept, taken over, or left to those who know how long the other one rests', () => {
    expect(bindingAfter(tried('new'), false)).toEqual(binding);
    expect(bindingAfter(tried('hit'), false)).toEqual({ ...binding, isUse: true });
    expect(bindingAfter(tried('rebound'), false)).toEqual({ ...binding, replaces: 'a' });
    const spilled = { ...binding, replaces: 'a', ifParked: true, family: 'opus' };
    expect(bindingAfter(tried('spill'), false)).toEqual(spilled);
    expect(bindingAfter({ ...tried('none'), session: undefined }, false)).toBeUndefined();
  });

  it('lives for an hour where the call asks for that, or the answer shows it', () => {
    expect(bindingAfter(tried('hit', { ...SESSION, forAnHour: true }), false)?.livesS).toBe(3_600);
    expect(bindingAfter(tried('hit'), true)?.livesS).toBe(3_600);
  });
});
