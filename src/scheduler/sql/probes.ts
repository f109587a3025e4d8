import type { Queryable } from '../../database/statement.ts';

/** How long a probe keeps others from its account, at most; the function `claim_probe` has the same. */
export const PROBE_MS = 30_000;

/** Locked in order, as `cool_account` does. */
const OPEN = `with open as materialized (
    select id from cooldowns
      where account_id = $1 and (model_family is null or model_family = $2)
        and proven_at is null and until <= clock_timestamp()
      order by id for no key update)`;

const PROVE = {
  name: 'prove-account',
  text: `${OPEN} update cooldowns c set proven_at = clock_timestamp() from open where c.id = open.id`,
};
const GIVE_BACK = {
  name: 'give-back-probe',
  text: `${OPEN} update cooldowns c set probe_until = null from open where c.id = open.id`,
};

/** The account has answered again: what it rested for is over, and everybody may come. */
export async function proveAccount(db: Queryable, accountId: string, modelFamily: string): Promise<void> {
  await db.run(PROVE, [accountId, modelFamily]);
}

/** A probe ended and proved nothing: the next call is one. */
export async function giveBackProbe(db: Queryable, accountId: string, modelFamily: string): Promise<void> {
  await db.run(GIVE_BACK, [accountId, modelFamily]);
}
