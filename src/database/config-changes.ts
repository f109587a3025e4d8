import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { insertAudit, sendHint, takeVersion } from './config.repository.ts';

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
    const version = await takeVersion(tx);
    const result = await work(tx, version);
    const told = (state: ChangeEntry<T>['after']): string | null =>
      toJson(typeof state === 'function' ? state(result) : state);
    const { actor, action, resource, resourceId } = entry;
    const [before, after] = [told(entry.before), told(entry.after)];
    await insertAudit(tx, { id: uuidv7(), actor, action, resource, resourceId, before, after });
    await sendHint(tx, version);
    return result;
  }
}

function toJson(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  return JSON.stringify(value, (_key, part: unknown) => (typeof part === 'bigint' ? String(part) : part));
}
