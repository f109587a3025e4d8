import { v7 } from 'uuid';
import type { Queryable } from '../../database/statement.ts';

/** A rest for an account: its end comes by itself, or (`infinity`: parked) by a person's hand. */
export interface Cooldown {
  readonly accountId: string;
  /** Null: the whole account. */
  readonly modelFamily: string | null;
  /** A short word. */
  readonly reason: string;
  /** What was seen, in our own words; no body, no credential. */
  readonly evidence: string;
  readonly until: Date | 'infinity';
}

/** A verdict on an account that is to rest. */
export interface Cooling extends Omit<Cooldown, 'until'> {
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
  /** Account ids of a pool: more than half of those that have no other trouble must stay. */
  readonly pool?: readonly string[];
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

export interface CooldownRow extends Cooldown {
  readonly id: string;
  readonly createdAt: Date;
}

const COOL = {
  name: 'cool-account',
  text: `select cool_account($1::uuid, $2::uuid, $3::text, $4::text, $5::text, $6::bigint, $7::bigint, $8::boolean,
    $9::integer, $10::timestamptz, $11::uuid[]) as answer`,
};
const CLEAR = { name: 'clear-cooldowns', text: 'delete from cooldowns where account_id = $1' };
const LIST = {
  name: 'list-cooldowns',
  text: `select c.id, c.account_id, c.model_family, c.reason, c.evidence, c.created_at,
      case when isfinite(c.until) then c.until end as until
    from cooldowns c
    where c.until > clock_timestamp() and (c.credentials_version is null or not exists (
      select from account_credentials x
        where x.account_id = c.account_id and x.version > c.credentials_version))
    order by c.created_at, c.id`,
};
const FORGET = {
  name: 'forget-cooldowns',
  text: `delete from cooldowns where until < clock_timestamp() - interval '1 day'`,
};

interface Listed {
  readonly id: string;
  readonly account_id: string;
  readonly model_family: string | null;
  readonly reason: string;
  readonly evidence: string;
  readonly created_at: Date;
  /** Null: infinity. */
  readonly until: Date | null;
}

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
    cooling.pool ?? null,
  ]);
  if (row === undefined) throw new Error('The verdict was not answered');
  const [became, ms = ''] = row.answer.split(' ') as [Became, string?];
  return { became, forMs: ms === '' ? undefined : ms === 'infinity' ? ms : Number(ms) };
}

export async function clearCooldowns(db: Queryable, accountId: string): Promise<void> {
  await db.run(CLEAR, [accountId]);
}

/** Those in force now, by the database clock. */
export async function listCooldowns(db: Queryable): Promise<CooldownRow[]> {
  const rows = await db.run<Listed>(LIST, []);
  return rows.map((row) => ({
    id: row.id,
    accountId: row.account_id,
    modelFamily: row.model_family,
    reason: row.reason,
    evidence: row.evidence,
    createdAt: row.created_at,
    until: row.until ?? 'infinity',
  }));
}

/** Those that ended a day ago. */
export async function forgetCooldowns(db: Queryable): Promise<void> {
  await db.run(FORGET, []);
}
