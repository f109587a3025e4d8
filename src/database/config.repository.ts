import type { EntityManager } from 'typeorm';
import type { Statement } from './statement.ts';

/** Channel of the hint that settings changed; the payload is the version. */
export const CONFIG_CHANNEL = 'relay_config';

export const READ_VERSION: Statement = {
  name: 'read-config-version',
  text: 'select version from config_version',
};

export interface AuditRow {
  readonly id: string;
  readonly actor: string;
  readonly action: string;
  readonly resource: string;
  readonly resourceId: string;
  /** JSON text. */
  readonly before: string | null;
  readonly after: string | null;
}

/** The next version of the settings. Its row stays locked until the transaction ends. */
export async function takeVersion(tx: EntityManager): Promise<bigint> {
  const [rows] = await tx.query<[{ version: string }[], number]>(
    'update config_version set version = version + 1 returning version',
  );
  const version = rows[0]?.version;
  if (version === undefined) throw new Error('config_version has no row');
  return BigInt(version);
}

export async function insertAudit(tx: EntityManager, row: AuditRow): Promise<void> {
  await tx.query(
    `insert into audit_log (id, at, actor, action, resource, resource_id, before, after)
     values ($1, clock_timestamp(), $2, $3, $4, $5, $6, $7)`,
    [row.id, row.actor, row.action, row.resource, row.resourceId, row.before, row.after],
  );
}

/** Sent when the transaction commits, and not at all when it does not. */
export async function sendHint(tx: EntityManager, version: bigint): Promise<void> {
  await tx.query('select pg_notify($1, $2)', [CONFIG_CHANNEL, String(version)]);
}
