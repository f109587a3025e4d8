import { v7 } from 'uuid';
import type { Queryable } from '../../database/statement.ts';
import type { Candidate } from '../admission.ts';

/** A verdict on an account that is to rest. Its end comes by itself, or (`infinity`: parked) by a person's hand. */
export interface Cooling {
  readonly accountId: string;
  /** Null: the whole account. */
  readonly modelFamily: string | null;
  /** A short word. */
  readonly reason: string;
  /** What was seen, in our own words; no body, no credential. */
  readonly evidence: string;
  /** From now, by the database's clock. */
  readonly forMs: number | 'infinity';
  /** Each return of the same trouble doubles the rest, up to this. Absent: it is as long as was said. */
  readonly growsToMs?: number;
  /** False: the account is as good as before once the time is over. Else its first call is a probe. */
  readonly probed?: boolean;
  /** The credentials that the account was reached under. */
  readonly credentialsVersion: number;
  /** When the call was admitted that met it, by the database's clock: what was written since then is the same. */
  readonly since?: Date;
  /** A pool, each with its own name for the call's model: half of those that have no other trouble must stay. */
  readonly pool?: readonly Pick<Candidate, 'accountId' | 'modelFamily'>[];
}

/**
 * What became of a verdict: it is `cooling` now; it was `known`; it is `outdated`, since newer credentials are stored;
 * or `too-many` of its pool would rest.
 */
export type Became = 'cooling' | 'known' | 'outdated' | 'too-many';

export interface Cooled {
  readonly became: Became;
  /** How long it rests from now; undefined: not for this. */
  readonly forMs: number | 'infinity' | undefined;
}

const COOL = {
  name: 'cool-account',
  text: `select cool_account($1::uuid, $2::uuid, $3::text, $4::text, $5::text, $6::bigint, $7::bigint, $8::boolean,
    $9::integer, $10::timestamptz, $11::uuid[], $12::text[]) as answer`,
};
const FORGET = {
  name: 'forget-cooldowns',
  text: `delete from cooldowns where until < clock_timestamp() - interval '1 day'`,
};

/** A parking until infinity ends, too, once newer credentials are stored. */
export async function coolAccount(db: Queryable, cooling: Cooling): Promise<Cooled> {
  const { accountId, modelFamily, reason, evidence, forMs, growsToMs, probed, credentialsVersion } = cooling;
  const [row] = await db.run<{ answer: string }>(COOL, [
    v7(),
    accountId,
    modelFamily,
    reason,
    evidence,
    forMs === 'infinity' ? null : Math.ceil(forMs),
    growsToMs ?? null,
    probed ?? true,
    credentialsVersion,
    cooling.since ?? null,
    cooling.pool?.map(({ accountId: id }) => id) ?? null,
    cooling.pool?.map(({ modelFamily: family }) => family) ?? null,
  ]);
  if (row === undefined) throw new Error('The verdict was not answered');
  const [became, ms = ''] = row.answer.split(' ') as [Became, string?];
  return { became, forMs: ms === '' ? undefined : ms === 'infinity' ? ms : Number(ms) };
}

/** Those that ended a day ago. */
export async function forgetCooldowns(db: Queryable): Promise<void> {
  await db.run(FORGET, []);
}
