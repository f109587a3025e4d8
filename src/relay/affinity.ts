import { hash } from 'node:crypto';
import type { Call, Session } from '../dialects/dialect.ts';
import type { Bound } from '../scheduler/admission.ts';
import type { Affinity, AffinityResult } from '../scheduler/decision.ts';
import type { Binding } from '../scheduler/sql/bindings.ts';
import type { Try } from './try.ts';

/** How long the vendors' caches outlive their last use (Anthropic, "Prompt caching": 5 minutes, or 1 hour on demand). */
const MINUTES_S = 5 * 60;
const HOUR_S = 60 * 60;

/** One name for a session of a key on a model: the same words of another key are another session. */
export function sessionDigest(
  keyId: string,
  { model, session }: { readonly model: string; readonly session?: Pick<Session, 'name'> | undefined },
): string | undefined {
  if (session === undefined) return undefined;
  return hash('sha256', `${keyId}\0${model}\0${session.name}`, 'hex').slice(0, 32);
}

/**
 * @param bound the account of the binding when the call was admitted
 * @param taken the account of this attempt
 * @param serves whether an account serves the key's calls for this model, though it may not be able to say this one
 */
export function affinityOf(
  { session }: Pick<Call, 'session'>,
  bound: Bound | undefined,
  taken: string,
  serves: (accountId: string) => boolean,
): Affinity {
  if (session === undefined) return { source: 'none', result: 'none' };
  return { source: session.source, result: affinityResult(bound, taken, serves) };
}

/** Of a call that is of a session. @see affinityOf */
export function affinityResult(
  bound: Bound | undefined,
  taken: string,
  serves: (accountId: string) => boolean,
): Exclude<AffinityResult, 'none'> {
  if (bound === undefined) return 'new';
  if (bound.accountId === taken) return 'hit';
  return serves(bound.accountId) && !bound.isParked ? 'spill' : 'rebound';
}

/**
 * What an answer makes of the binding of its session. Undefined: nothing.
 * @param wroteForAnHour the answer's usage shows tokens that were written for an hour
 */
export function bindingAfter(one: Try, wroteForAnHour: boolean): Binding | undefined {
  const { call, session, decision, bound } = one;
  if (session === undefined) return undefined;
  const livesS = call.session?.forAnHour === true || wroteForAnHour ? HOUR_S : MINUTES_S;
  const { result } = decision.affinity;
  if (result === 'none') return undefined;
  const isSpill = result === 'spill';
  return {
    session,
    accountId: one.account.id,
    livesS,
    replaces: isSpill || result === 'rebound' ? bound?.accountId : undefined,
    isUse: result === 'hit',
    // Perhaps the bound account failed in this very call, and for good or for hours: the database knows.
    ifParked: isSpill,
    family: isSpill
      ? one.pool.find(({ accountId }) => accountId === bound?.accountId)?.modelFamily
      : undefined,
  };
}
