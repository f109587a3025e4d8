import type { AdmissionRequest, Decision } from './admission.ts';
import { KnownSessions } from './known-sessions.ts';

describe('the sessions that a replica knows', () => {
  let now = 0;
  let sessions: KnownSessions;
  beforeEach(() => {
    now = 1_000;
    sessions = new KnownSessions(() => now);
  });

  it('are bound as was said last, for as long as a binding may live', () => {
    expect(sessions.accountOf('s')).toBeUndefined();
    sessions.remember('s', 'a');
    sessions.remember('s', undefined);
    now += 3_599_999;
    expect(sessions.accountOf('s')).toBe('a');
    expect(sessions.accountOf(undefined)).toBeUndefined();
    now += 1;
    expect(sessions.accountOf('s')).toBeUndefined();
  });

  it('are not bound to who answered in the stead of their account', () => {
    sessions.answered({ session: 's', accountId: 'a', livesS: 300 });
    sessions.answered({ session: 's', accountId: 'b', livesS: 300, replaces: 'a', ifParked: true });
    expect(sessions.accountOf('s')).toBe('a');
    sessions.answered({ session: 's', accountId: 'b', livesS: 300, replaces: 'a' });
    expect(sessions.accountOf('s')).toBe('b');
  });

  it('are forgotten by the longest time without a use where there are too many', () => {
    for (let at = 0; at < 20_000; at += 1) sessions.remember(`s${at}`, 'a');
    now += 10_000;
    sessions.remember('s0', 'a');
    sessions.remember('one more', 'a');
    expect(['s0', 's1', 's2'].map((name) => sessions.accountOf(name))).toEqual(['a', undefined, 'a']);
  });

  it('may be forgotten ten seconds early, and are bound anew at once', () => {
    sessions.remember('s', 'a');
    now += 9_999;
    sessions.remember('s', 'a');
    sessions.remember('t', 'a');
    sessions.remember('t', 'b');
    now += 3_590_001;
    expect(['s', 't'].map((name) => sessions.accountOf(name))).toEqual([undefined, 'b']);
  });

  it('prefer their account where the database cannot say it, and are told of it', () => {
    const decide = (request: Partial<AdmissionRequest>, taken = 'a'): [unknown, string | undefined] => {
      let preferred: string | undefined;
      const decision = sessions.preferring(request as AdmissionRequest, ({ preferredAccountId }) => {
        preferred = preferredAccountId;
        return { admitted: true, lease: { accountId: taken } } as Decision;
      });
      return [decision?.admitted === true && decision.bound, preferred];
    };
    expect(decide({ session: 's' })).toEqual([undefined, undefined]);
    sessions.remember('s', 'a');
    const bound = { accountId: 'a', isParked: false };
    expect(decide({ session: 's' })).toEqual([bound, 'a']);
    expect(decide({ session: 's' }, 'b')).toEqual([bound, 'a']);
    expect(decide({ session: 's', preferredAccountId: 'c' })).toEqual([bound, 'c']);
    expect(decide({})).toEqual([undefined, undefined]);
    const refused: Decision = { admitted: false, refusal: 'accounts-full' };
    expect(sessions.preferring({ session: 's' } as AdmissionRequest, () => refused)).toBe(refused);
  });
});
