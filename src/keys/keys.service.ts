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
  missingTeams,
  pageOfKeys,
  revokeKey,
  touchKey,
  updateKey,
} from './keys.repository.ts';
import { holdersOfKey } from './limits.repository.ts';
import type { StandingDto } from './standing.dto.ts';
import { standingOf } from './standing.ts';

/** A key whose secret is told, this once. */
export interface KeyWithSecret {
  readonly record: KeyRecord;
  readonly secret: string;
}

export interface KeyStanding {
  readonly own: StandingDto;
  readonly teams: readonly { readonly name: string; readonly limits: StandingDto }[];
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

  /** What is used of its own limits, and of those of each team above it, the nearest first. @throws ProblemError 404 */
  async standing(id: string): Promise<KeyStanding> {
    const [own, ...teams] = await holdersOfKey(this.database, id);
    return {
      own: standingOf(known(own)),
      teams: teams.map((team) => ({ name: team.name, limits: standingOf(team) })),
    };
  }

  /** @throws ProblemError 400 when it names accounts, groups or a team that are not there */
  async create(actor: string, wish: CreateKeyDto): Promise<KeyWithSecret> {
    const id = uuidv7();
    const secret = newKeySecret();
    const settings = settingsOfNewKey(wish);
    const entry = { ...entryOf(actor, 'create', id), after: (made: KeyRecord) => showKey(made) };
    const record = await this.changes.write<KeyRecord>(entry, async (tx, version) => {
      await checkNamed(tx, settings, wish);
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
      await checkNamed(tx, settings, wish);
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

function known<T>(found: T | undefined): T {
  if (found === undefined) throw ProblemError.of(404, 'There is no key with this id');
  return found;
}

/** Looks only at what this wish names: an account deleted meanwhile must not stand in the way of another edit. */
async function checkNamed(tx: EntityManager, settings: KeySettings, wish: UpdateKeyDto): Promise<void> {
  const accounts = wish.accounts ? await missingAccounts(tx, settings.accounts ?? []) : [];
  const groups = wish.groups ? await missingGroups(tx, settings.groups ?? []) : [];
  const teams = wish.team ? await missingTeams(tx, [settings.team ?? '']) : [];
  const problems = [
    ...accounts.map((id) => ({ field: 'accounts', problem: `holds ${id}, which is no account` })),
    ...groups.map((id) => ({ field: 'groups', problem: `holds ${id}, which is no account group` })),
    ...teams.map((id) => ({ field: 'team', problem: `is ${id}, which is no team` })),
  ];
  if (problems.length > 0) throw ProblemError.fields(problems);
}
