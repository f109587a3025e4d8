import type { Database } from './credentials.repository.ts';

export interface AccountGroup {
  readonly id: string;
  readonly name: string;
  readonly accounts: readonly string[];
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

const GROUP = `
  g.id, g.name, g.created_at as "createdAt", g.updated_at as "updatedAt",
  array(select m.account_id from account_group_members m where m.group_id = g.id order by m.account_id) as accounts`;

export async function findGroup(database: Database, id: string): Promise<AccountGroup | undefined> {
  const rows = await database.query<AccountGroup[]>(
    `select ${GROUP} from account_groups g where g.id = $1 and g.deleted_at is null`,
    [id],
  );
  return rows[0];
}

/** A page of groups, newest first (ids are time-ordered), below `beforeId` when there is one. */
export async function pageOfGroups(
  database: Database,
  beforeId: string | undefined,
  limit: number,
): Promise<AccountGroup[]> {
  return database.query<AccountGroup[]>(
    `select ${GROUP} from account_groups g where g.deleted_at is null and ($1::uuid is null or g.id < $1)
      order by g.id desc limit $2`,
    [beforeId ?? null, limit],
  );
}

export async function insertGroup(tx: Database, id: string, name: string): Promise<void> {
  await tx.query(`insert into account_groups (id, name) values ($1, $2)`, [id, name]);
}

export async function renameGroup(tx: Database, id: string, name: string): Promise<void> {
  await tx.query(`update account_groups set name = $2, updated_at = now() where id = $1`, [id, name]);
}

/** The row stays for reports, without members; the name becomes free. */
export async function markGroupDeleted(tx: Database, id: string): Promise<void> {
  await tx.query(`delete from account_group_members where group_id = $1`, [id]);
  await tx.query(`update account_groups set deleted_at = now(), updated_at = now() where id = $1`, [id]);
}

/** Makes these accounts the members of the group; answers whose membership changed. */
export async function setMembers(
  tx: Database,
  groupId: string,
  accounts: readonly string[],
): Promise<string[]> {
  const [removed] = await tx.query<[{ id: string }[], number]>(
    `delete from account_group_members where group_id = $1 and account_id <> all($2::uuid[])
      returning account_id as id`,
    [groupId, accounts],
  );
  const added = await tx.query<{ id: string }[]>(
    `insert into account_group_members (group_id, account_id) select $1, unnest($2::uuid[])
      on conflict do nothing returning account_id as id`,
    [groupId, accounts],
  );
  await tx.query(`update account_groups set updated_at = now() where id = $1`, [groupId]);
  return [...removed, ...added].map(({ id }) => id);
}

/** Makes these groups the ones that the account is a member of. */
export async function setGroupsOf(tx: Database, accountId: string, groups: readonly string[]): Promise<void> {
  await tx.query(`delete from account_group_members where account_id = $1 and group_id <> all($2::uuid[])`, [
    accountId,
    groups,
  ]);
  await tx.query(
    `insert into account_group_members (group_id, account_id) select unnest($2::uuid[]), $1 on conflict do nothing`,
    [accountId, groups],
  );
}

/** Those of the ids that are not a group (any more). */
export async function missingGroups(database: Database, ids: readonly string[]): Promise<string[]> {
  const rows = await database.query<{ id: string }[]>(
    `select id from unnest($1::uuid[]) as asked (id)
      where not exists (select from account_groups g where g.id = asked.id and g.deleted_at is null)`,
    [ids],
  );
  return rows.map(({ id }) => id);
}

/** Those of the ids that are not an account (any more). */
export async function missingAccounts(database: Database, ids: readonly string[]): Promise<string[]> {
  const rows = await database.query<{ id: string }[]>(
    `select id from unnest($1::uuid[]) as asked (id)
      where not exists (select from accounts a where a.id = asked.id and a.deleted_at is null)`,
    [ids],
  );
  return rows.map(({ id }) => id);
}
