import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { CONFIG_CHANNEL } from './config-watch.ts';

/** What the audit log keeps of a change. Secrets are masked by the caller. */
export interface ChangeEntry<T = unknown> {
  /** Who: an administrator token, or a part of the relay that acts by itself. */
  readonly actor: string;
  /** A verb: `create`, `rotate`, `clear-cooldowns`. */
  readonly action: string;
  readonly resource: string;
  readonly resourceId: string;
  /** The state before, or how to tell it from what the work returned (read there, it cannot be out of date). */
  readonly before?: object | null | ((result: T) => unknown);
  /** The state after, or how to tell it from what the work returned. */
  readonly after?: object | null | ((result: T) => unknown);
}

/** The only way settings are written, so that every change has a version, an audit row and a hint. */
@Injectable()
export class ConfigChanges {
  constructor(private readonly database: DataSource) {}

  /**
   * One transaction: the next version (its row lock makes versions commit in order) → `work`, which stamps that version
   * on the rows it writes → the audit row → the hint.
   */
  async write<T>(
    entry: ChangeEntry<T>,
    work: (tx: EntityManager, version: bigint) => Promise<T>,
  ): Promise<T> {
    return this.database.transaction(async (tx) => this.writeIn(tx, entry, work));
  }

  /**
   * The same inside a transaction that holds other locks already, and ends right afterwards: until it does, every other
   * write of settings waits.
   */
  async writeIn<T>(
    tx: EntityManager,
    entry: ChangeEntry<T>,
    work: (tx: EntityManager, version: bigint) => Promise<T>,
  ): Promise<T> {
    const bumped = await tx.query<[{ version: string }[], number]>(
      'update config_version set version = version + 1 returning version',
    );
    const version = BigInt(bumped[0][0]?.version ?? 0);
    const result = await work(tx, version);
    const told = (state: ChangeEntry<T>['after']): string | null =>
      toJson(typeof state === 'function' ? state(result) : state);
    await tx.query(
      `insert into audit_log (id, at, actor, action, resource, resource_id, before, after)
       values ($1, clock_timestamp(), $2, $3, $4, $5, $6, $7)`,
      [
        uuidv7(),
        entry.actor,
        entry.action,
        entry.resource,
        entry.resourceId,
        told(entry.before),
        told(entry.after),
      ],
    );
    await tx.query('select pg_notify($1, $2)', [CONFIG_CHANNEL, String(version)]);
    return result;
  }
}

function toJson(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  return JSON.stringify(value, (_key, part: unknown) => (typeof part === 'bigint' ? String(part) : part));
}
