import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { ConfigChanges } from '../database/config-changes.ts';
import { ProblemError } from '../errors/problem-error.ts';
import { digestOfSecret, newKeySecret, prefixOfSecret } from './key-secret.ts';
import {
  changedSettings,
  settingsOfNewKey,
  showKey,
  type KeyRecord,
  type KeySettings,
} from './key-settings.ts';
import type { CreateKeyDto, UpdateKeyDto } from './key.dto.ts';
import {
  endSecrets,
  findKey,
  insertKey,
  insertSecret,
  markKeyDeleted,
  missingAccounts,
  missingGroups,
  pageOfKeys,
  revokeKey,
  touchKey,
  updateKey,
} from './keys.repository.ts';

/** A key whose secret is told, this once. */
export interface KeyWithSecret {
  readonly record: KeyRecord;
  readonly secret: string;
}

interface Edit {
  readonly before: KeyRecord;
  readonly after: KeyRecord;
}

/** The administrator's reads and writes of keys. Every write is one audited change; no secret goes into the audit. */
@Injectable()
export class KeysService {
  constructor(
    private readonly database: DataSource,
    private readonly changes: ConfigChanges,
  ) {}

  async page(beforeId: string | undefined, limit: number): Promise<KeyRecord[]> {
    return pageOfKeys(this.database, beforeId, limit);
  }

  /** @throws ProblemError 404 */
  async get(id: string): Promise<KeyRecord> {
    return known(await findKey(this.database, id));
  }

  /** @throws ProblemError 400 when it is bound to accounts or groups that are not there */
  async create(actor: string, wish: CreateKeyDto): Promise<KeyWithSecret> {
    const id = uuidv7();
    const secret = newKeySecret();
    const settings = settingsOfNewKey(wish);
    const entry = { ...entryOf(actor, 'create', id), after: (made: KeyRecord) => showKey(made) };
    const record = await this.changes.write<KeyRecord>(entry, async (tx, version) => {
      await checkBinding(tx, settings, wish);
      await insertKey(tx, id, version, settings);
      await insertSecret(tx, id, digestOfSecret(secret), prefixOfSecret(secret));
      return known(await findKey(tx, id));
    });
    return { record, secret };
  }

  /** @throws ProblemError 400 as for `create`, 404 */
  async update(actor: string, id: string, wish: UpdateKeyDto): Promise<KeyRecord> {
    return this.edit(actor, 'update', id, async (tx, version, before) => {
      const settings = changedSettings(wish, before);
      await checkBinding(tx, settings, wish);
      await updateKey(tx, id, version, settings);
    });
  }

  /** A new secret; the old ones go on for `overlapSeconds`. @throws ProblemError 404, 409 when the key is revoked */
  async rotate(actor: string, id: string, overlapSeconds: number): Promise<KeyWithSecret> {
    const secret = newKeySecret();
    const record = await this.edit(actor, 'rotate', id, async (tx, version, before) => {
      if (before.revokedAt !== null) throw ProblemError.of(409, 'The key is revoked; make another one');
      await endSecrets(tx, id, overlapSeconds);
      await insertSecret(tx, id, digestOfSecret(secret), prefixOfSecret(secret));
      await touchKey(tx, id, version);
    });
    return { record, secret };
  }

  /** For good; doing it again changes nothing. @throws ProblemError 404 */
  async revoke(actor: string, id: string): Promise<KeyRecord> {
    return this.edit(actor, 'revoke', id, (tx, version) => revokeKey(tx, id, version));
  }

  /** Its name stays in reports. @throws ProblemError 404 */
  async remove(actor: string, id: string): Promise<void> {
    const entry = { ...entryOf(actor, 'delete', id), before: (before: KeyRecord) => showKey(before) };
    await this.changes.write<KeyRecord>(entry, async (tx, version) => {
      const before = known(await findKey(tx, id));
      await markKeyDeleted(tx, id, version);
      return before;
    });
  }

  private async edit(
    actor: string,
    verb: string,
    id: string,
    work: (tx: EntityManager, version: bigint, before: KeyRecord) => Promise<void>,
  ): Promise<KeyRecord> {
    const entry = {
      ...entryOf(actor, verb, id),
      before: ({ before }: Edit) => showKey(before),
      after: ({ after }: Edit) => showKey(after),
    };
    const { after } = await this.changes.write<Edit>(entry, async (tx, version) => {
      // Other writes wait for the version's row, so what is read here stays true until the end.
      const before = known(await findKey(tx, id));
      await work(tx, version, before);
      return { before, after: known(await findKey(tx, id)) };
    });
    return after;
  }
}

function entryOf(actor: string, verb: string, resourceId: string) {
  return { actor, action: `key.${verb}`, resource: 'key', resourceId };
}

function known(found: KeyRecord | undefined): KeyRecord {
  if (found === undefined) throw ProblemError.of(404, 'There is no key with this id');
  return found;
}

/** Looks only at what this wish binds: an account deleted meanwhile must not stand in the way of another edit. */
async function checkBinding(tx: EntityManager, settings: KeySettings, wish: UpdateKeyDto): Promise<void> {
  const accounts = wish.accounts ? await missingAccounts(tx, settings.accounts ?? []) : [];
  const groups = wish.groups ? await missingGroups(tx, settings.groups ?? []) : [];
  const problems = [
    ...accounts.map((id) => ({ field: 'accounts', problem: `holds ${id}, which is no account` })),
    ...groups.map((id) => ({ field: 'groups', problem: `holds ${id}, which is no account group` })),
  ];
  if (problems.length > 0) throw ProblemError.fields(problems);
}
