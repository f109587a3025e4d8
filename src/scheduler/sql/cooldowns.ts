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

/** A verdict on an account, with the credentials that it was reached under. */
export interface Parking extends Cooldown {
  readonly credentialsVersion: number;
}

export interface CooldownRow extends Cooldown {
  readonly id: string;
  readonly createdAt: Date;
}

const PARK = {
  name: 'park-account',
  text: `
    with newer as (
      select from account_credentials where account_id = $2::uuid and version > $7::integer
    ), parked as (
      insert into cooldowns (id, account_id, model_family, reason, evidence, until, credentials_version)
      select $1::uuid, $2::uuid, $3::text, $4::text, $5::text, $6::timestamptz,
             case when $6::timestamptz = 'infinity' then $7::integer end
        where not exists (select from newer) and not exists (
          select from cooldowns c
            where c.account_id = $2::uuid and c.until >= $6::timestamptz and c.reason = $4::text
              and c.model_family is not distinct from $3::text
              and c.credentials_version is not distinct from
                  case when $6::timestamptz = 'infinity' then $7::integer end)
    )
    select not exists (select from newer) as parked`,
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

/**
 * False when newer credentials are stored than the verdict was reached under: then the account is left alone. A
 * parking until infinity ends, too, once newer ones are stored.
 */
export async function parkAccount(db: Queryable, parking: Parking): Promise<boolean> {
  const { accountId, modelFamily, reason, evidence, until, credentialsVersion } = parking;
  const end = until === 'infinity' ? until : until.toISOString();
  const [row] = await db.run<{ parked: boolean }>(PARK, [
    v7(),
    accountId,
    modelFamily,
    reason,
    evidence,
    end,
    credentialsVersion,
  ]);
  return row?.parked ?? false;
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
