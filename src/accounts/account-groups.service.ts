import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { violates } from '../database/database-conflict.ts';
import { ProblemError } from '../errors/problem-error.ts';
import { AccountChanges } from './account-changes.ts';
import { refuse } from './account-checks.ts';
import type { CreateAccountGroupDto, UpdateAccountGroupDto } from './account-group.dto.ts';
import {
  findGroup,
  insertGroup,
  markGroupDeleted,
  missingAccounts,
  pageOfGroups,
  renameGroup,
  setMembers,
  type AccountGroup,
} from './account-groups.repository.ts';
import { bumpAccounts } from './accounts.repository.ts';

interface Edit {
  readonly before: AccountGroup;
  readonly after: AccountGroup;
}

/**
 * The administrator's reads and writes of account groups. Replicas know groups by their accounts' copies only, so
 * every change of membership writes a new version of each account that came or went.
 */
@Injectable()
export class AccountGroupsService {
  constructor(
    private readonly database: DataSource,
    private readonly changes: AccountChanges,
  ) {}

  async page(beforeId: string | undefined, limit: number): Promise<AccountGroup[]> {
    return pageOfGroups(this.database, beforeId, limit);
  }

  /** @throws ProblemError 404 */
  async get(id: string): Promise<AccountGroup> {
    return known(await findGroup(this.database, id));
  }

  /** @throws ProblemError 400 naming each wrong field, 409 when the name is taken */
  async create(actor: string, wish: CreateAccountGroupDto): Promise<AccountGroup> {
    const id = uuidv7();
    const entry = { ...entryOf(actor, 'account-group.create', id), after: (made: AccountGroup) => made };
    return named(() =>
      this.changes.write(entry, async (tx, version) => {
        await insertGroup(tx, id, wish.name);
        await this.fill(tx, version, id, wish.accounts);
        return known(await findGroup(tx, id));
      }),
    );
  }

  /** @throws ProblemError 400 naming each wrong field, 404, 409 when the name is taken */
  async update(actor: string, id: string, wish: UpdateAccountGroupDto): Promise<AccountGroup> {
    const entry = {
      ...entryOf(actor, 'account-group.update', id),
      before: (edit: Edit) => edit.before,
      after: (edit: Edit) => edit.after,
    };
    const work = async (tx: EntityManager, version: bigint): Promise<Edit> => {
      const before = known(await findGroup(tx, id));
      if (wish.name !== undefined) await renameGroup(tx, id, wish.name);
      await this.fill(tx, version, id, wish.accounts);
      return { before, after: known(await findGroup(tx, id)) };
    };
    return (await named(() => this.changes.write(entry, work))).after;
  }

  /** A key bound to the group is then bound to none of its accounts; it is not opened to others. @throws 404 */
  async remove(actor: string, id: string): Promise<void> {
    const entry = { ...entryOf(actor, 'account-group.delete', id), before: (group: AccountGroup) => group };
    await this.changes.write(entry, async (tx, version) => {
      const group = known(await findGroup(tx, id));
      await markGroupDeleted(tx, id);
      await bumpAccounts(tx, group.accounts, version);
      return group;
    });
  }

  private async fill(
    tx: EntityManager,
    version: bigint,
    id: string,
    accounts: readonly string[] | undefined,
  ): Promise<void> {
    if (accounts === undefined) return;
    const missing = await missingAccounts(tx, accounts);
    refuse(
      missing.map((account) => ({ field: 'accounts', problem: `holds ${account}, which is no account` })),
    );
    await bumpAccounts(tx, await setMembers(tx, id, accounts), version);
  }
}

function entryOf(actor: string, action: string, resourceId: string) {
  return { actor, action, resource: 'account-group', resourceId };
}

function known<T>(found: T | undefined): T {
  if (found === undefined) throw ProblemError.of(404, 'There is no account group with this id');
  return found;
}

async function named<T>(write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    if (!violates(error, 'account_groups_name')) throw error;
    throw new ProblemError(409, 'Conflict', 'Another account group has this name', [
      { field: 'name', problem: 'is taken by another account group' },
    ]);
  }
}
