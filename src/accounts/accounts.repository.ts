import type { Account, ModelPolicy } from '../upstream/account.ts';
import type { Database } from './credentials.repository.ts';

/** What an administrator sets on an account, beside its credential and its groups. */
export interface AccountSettings {
  readonly name: string;
  readonly kind: string;
  readonly baseUrl: string | null;
  readonly priority: number;
  readonly weight: number;
  readonly maxConcurrency: number;
  readonly models: ModelPolicy | null;
  readonly onClientLeave: 'cancel' | 'drain';
  readonly enabled: boolean;
  readonly settings: Readonly<Record<string, string>>;
  /** The egress proxy as it may be shown: asterisks for the password. The whole URL is sealed with the credential. */
  readonly shownProxyUrl: string | null;
}

export interface Cooldown {
  readonly scope: 'account' | 'model';
  /** The models it is about; null with scope `account`. */
  readonly modelFamily: string | null;
  readonly reason: string;
  readonly evidence: string;
  readonly since: string;
  /** Null: until a person acts. */
  readonly until: string | null;
}

/** An account with its state, as administrators see it. */
export interface AccountView extends Account {
  readonly shownProxyUrl: string | null;
  readonly cooldowns: readonly Cooldown[];
  readonly inUse: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export type AccountAtRest = Pick<AccountView, 'id' | 'name' | 'kind' | 'enabled' | 'cooldowns'>;

type Row<T extends Account> = Omit<T, 'version'> & { readonly version: string; readonly deleted: boolean };

const ACCOUNT = `
  a.id, a.version, a.name, a.kind, a.base_url as "baseUrl", a.priority, a.weight,
  a.max_concurrency as "maxConcurrency", a.models, a.on_client_leave as "onClientLeave", a.enabled, a.settings,
  coalesce(c.version, 0) as "credentialsVersion",
  array(select m.group_id from account_group_members m where m.account_id = a.id order by m.group_id) as groups,
  a.deleted_at is not null as deleted`;

const VIEW = `${ACCOUNT}, a.shown_proxy_url as "shownProxyUrl",
  a.created_at as "createdAt", a.updated_at as "updatedAt", coalesce(s.in_use, 0) as "inUse",
  coalesce((
    select jsonb_agg(jsonb_build_object(
        'scope', case when d.model_family is null then 'account' else 'model' end,
        'modelFamily', d.model_family, 'reason', d.reason, 'evidence', d.evidence,
        'since', to_char(d.created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'until', case when d.until < 'infinity'
          then to_char(d.until at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') end
      ) order by d.until desc, d.id)
      from cooldowns d where d.account_id = a.id and d.until > clock_timestamp()
        and (d.credentials_version is null or coalesce(c.version, 0) <= d.credentials_version)
  ), '[]') as cooldowns`;

const FROM = `accounts a left join account_credentials c on c.account_id = a.id`;

/** Every account written above `version`, deleted ones among them, oldest change first. */
export async function accountsAbove(
  database: Database,
  version: bigint,
): Promise<{ readonly account: Account; readonly deleted: boolean }[]> {
  const rows = await database.query<Row<Account>[]>(
    `select ${ACCOUNT} from ${FROM} where a.version > $1 order by a.version, a.id`,
    [version.toString()],
  );
  return rows.map((row) => ({ account: accountOf(row), deleted: row.deleted }));
}

export async function findAccount(database: Database, id: string): Promise<AccountView | undefined> {
  const [row] = await database.query<Row<AccountView>[]>(
    `select ${VIEW} from ${FROM} left join account_state s on s.id = a.id where a.id = $1 and a.deleted_at is null`,
    [id],
  );
  return row === undefined ? undefined : accountOf(row);
}

/** Accounts with something to rest from, the newest first. */
export async function accountsAtRest(database: Database, most: number): Promise<AccountAtRest[]> {
  return database.query(
    `select v.id, v.name, v.kind, v.enabled, v.cooldowns
       from (select ${VIEW} from ${FROM} left join account_state s on s.id = a.id
              where a.deleted_at is null and a.id in (select d.account_id from cooldowns d)) v
      where v.cooldowns <> '[]' order by v.id desc limit $1`,
    [most],
  );
}

/** A page of accounts, newest first (ids are time-ordered), below `beforeId` when there is one. */
export async function pageOfAccounts(
  database: Database,
  beforeId: string | undefined,
  limit: number,
): Promise<AccountView[]> {
  const rows = await database.query<Row<AccountView>[]>(
    `select ${VIEW} from ${FROM} left join account_state s on s.id = a.id
      where a.deleted_at is null and ($1::uuid is null or a.id < $1) order by a.id desc limit $2`,
    [beforeId ?? null, limit],
  );
  return rows.map((row) => accountOf(row));
}

export async function insertAccount(
  tx: Database,
  id: string,
  version: bigint,
  settings: AccountSettings,
): Promise<void> {
  await tx.query(
    `insert into accounts (id, version, name, kind, base_url, priority, weight, max_concurrency, models,
        on_client_leave, enabled, settings, shown_proxy_url)
      values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
    parameters(id, version, settings),
  );
  await tx.query(`insert into account_state (id) values ($1)`, [id]);
}

export async function updateAccount(
  tx: Database,
  id: string,
  version: bigint,
  settings: AccountSettings,
): Promise<void> {
  await tx.query(
    `update accounts set version = $2, name = $3, kind = $4, base_url = $5, priority = $6, weight = $7,
        max_concurrency = $8, models = $9, on_client_leave = $10, enabled = $11, settings = $12, shown_proxy_url = $13,
        updated_at = now()
      where id = $1`,
    parameters(id, version, settings),
  );
}

/** The row stays for reports; the name becomes free. */
export async function markAccountDeleted(tx: Database, id: string, version: bigint): Promise<void> {
  await tx.query(
    `update accounts set version = $2, enabled = false, deleted_at = now(), updated_at = now() where id = $1`,
    [id, version.toString()],
  );
}

/** Makes every replica read these accounts again. */
export async function bumpAccounts(tx: Database, ids: readonly string[], version: bigint): Promise<void> {
  await tx.query(`update accounts set version = $2 where id = any($1::uuid[])`, [ids, version.toString()]);
}

/** Ends the account's cooldowns, or those of one reason. */
export async function deleteCooldowns(tx: Database, accountId: string, reason?: string): Promise<void> {
  await tx.query(`delete from cooldowns where account_id = $1 and ($2::text is null or reason = $2)`, [
    accountId,
    reason ?? null,
  ]);
}

function accountOf<T extends Account>({ deleted: _, ...row }: Row<T>): T {
  return { ...row, version: BigInt(row.version) } as unknown as T;
}

function parameters(id: string, version: bigint, settings: AccountSettings): unknown[] {
  return [
    id,
    version.toString(),
    settings.name,
    settings.kind,
    settings.baseUrl,
    settings.priority,
    settings.weight,
    settings.maxConcurrency,
    settings.models === null ? null : JSON.stringify(settings.models),
    settings.onClientLeave,
    settings.enabled,
    JSON.stringify(settings.settings),
    settings.shownProxyUrl,
  ];
}
