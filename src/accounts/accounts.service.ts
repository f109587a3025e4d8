import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { violates } from '../database/database-conflict.ts';
import { ProblemError } from '../errors/problem-error.ts';
import { AddressPolicy } from '../upstream/address-policy.ts';
import { UpstreamRegistry } from '../upstream/upstream-registry.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { AccountChanges } from './account-changes.ts';
import { checkBaseUrl, checkCredentials, checkModelPolicy, checkOrigin, refuse } from './account-checks.ts';
import { missingGroups, setGroupsOf } from './account-groups.repository.ts';
import { masked, settingsOf, textsOf } from './account-settings.ts';
import type { CreateAccountDto, UpdateAccountDto } from './account.dto.ts';
import {
  accountsAtRest,
  deleteCooldowns,
  findAccount,
  insertAccount,
  markAccountDeleted,
  pageOfAccounts,
  updateAccount,
  type AccountView,
  type AccountAtRest,
} from './accounts.repository.ts';
import { checkBehind, checkProxyUrl } from './account-proxy.ts';
import { secretOf } from './account-secret.ts';
import { CredentialHeld, CredentialVault } from './credential-vault.ts';

/** A renewal holds a credential's row for 8 s at most; an edit that meets one is tried again for a little longer. */
const EDIT_TRIES = 40;
const EDIT_PAUSE_MS = 250;

interface Edit {
  readonly before: AccountView;
  readonly after: AccountView;
}

/** The administrator's reads and writes of accounts. Every write is one audited change, credentials masked. */
@Injectable()
export class AccountsService {
  constructor(
    private readonly database: DataSource,
    private readonly changes: AccountChanges,
    private readonly vault: CredentialVault,
    private readonly registry: UpstreamRegistry,
    private readonly policy: AddressPolicy,
  ) {}

  async page(beforeId: string | undefined, limit: number): Promise<AccountView[]> {
    return pageOfAccounts(this.database, beforeId, limit);
  }

  /** Accounts that rest, whole or for some models, the newest first. */
  async atRest(most: number): Promise<AccountAtRest[]> {
    return accountsAtRest(this.database, most);
  }

  /** @throws ProblemError 404 */
  async get(id: string): Promise<AccountView> {
    return known(await findAccount(this.database, id));
  }

  /** @throws ProblemError 400 naming each wrong field, 409 when the name is taken */
  async create(actor: string, wish: CreateAccountDto): Promise<AccountView> {
    const upstream = this.upstreamOf(wish.kind);
    const settings = settingsOf(wish, upstream);
    refuse([
      ...checkBaseUrl(upstream, settings.baseUrl, this.policy),
      ...checkCredentials(upstream, wish.credentials, this.policy),
      ...checkModelPolicy(wish.models),
      ...checkProxyUrl(wish.proxyUrl, this.policy),
    ]);
    refuse(checkBehind(upstream, settings, wish, this.policy));
    const id = uuidv7();
    const entry = {
      ...entryOf(actor, 'account.create', id),
      after: (made: AccountView) => masked(made, wish.credentials),
    };
    return named(() =>
      this.changes.write(entry, async (tx, version) => {
        await insertAccount(tx, id, version, settings);
        const proxyUrl = wish.proxyUrl ?? undefined;
        await this.vault.insert(tx, id, { values: textsOf(wish.credentials), proxyUrl });
        await this.putInGroups(tx, id, wish.groups);
        return known(await findAccount(tx, id));
      }),
    );
  }

  /** @throws ProblemError 400 naming each wrong field, 404, 409 when the name is taken or a renewal is running */
  async update(actor: string, id: string, wish: UpdateAccountDto): Promise<AccountView> {
    const entry = {
      ...entryOf(actor, 'account.update', id),
      before: (edit: Edit) => masked(edit.before),
      after: (edit: Edit) => masked(edit.after, wish.credentials),
    };
    const work = async (tx: EntityManager, version: bigint) => this.edit(tx, version, id, wish);
    return (await named(() => unlessHeld(() => this.changes.write(entry, work)))).after;
  }

  /** The secret goes with the account; its name stays for reports. @throws ProblemError 404, 409 */
  async remove(actor: string, id: string): Promise<void> {
    const entry = { ...entryOf(actor, 'account.delete', id), before: masked };
    const work = async (tx: EntityManager, version: bigint) => {
      const before = known(await findAccount(tx, id));
      await this.vault.remove(tx, id);
      await setGroupsOf(tx, id, []);
      await markAccountDeleted(tx, id, version);
      return before;
    };
    await unlessHeld(() => this.changes.write(entry, work));
  }

  /** @throws ProblemError 404 */
  async clearCooldowns(actor: string, id: string): Promise<AccountView> {
    const entry = {
      ...entryOf(actor, 'account.clear-cooldowns', id),
      before: ({ before }: Edit) => ({ cooldowns: before.cooldowns }),
      after: ({ after }: Edit) => ({ cooldowns: after.cooldowns }),
    };
    const cleared = await this.changes.write(entry, async (tx) => {
      const before = known(await findAccount(tx, id));
      await deleteCooldowns(tx, id);
      return { before, after: known(await findAccount(tx, id)) };
    });
    return cleared.after;
  }

  private async edit(tx: EntityManager, version: bigint, id: string, wish: UpdateAccountDto): Promise<Edit> {
    const before = known(await findAccount(tx, id));
    const upstream = this.upstreamOf(before.kind);
    const settings = settingsOf(wish, upstream, before);
    refuse([
      ...(wish.baseUrl === undefined ? [] : checkBaseUrl(upstream, settings.baseUrl, this.policy)),
      ...checkOrigin(upstream, before.baseUrl, settings.baseUrl, wish.credentials !== undefined),
      ...(wish.credentials === undefined ? [] : checkCredentials(upstream, wish.credentials, this.policy)),
      ...checkModelPolicy(wish.models),
      ...checkProxyUrl(wish.proxyUrl, this.policy),
    ]);
    refuse(checkBehind(upstream, settings, wish, this.policy));
    if (wish.credentials !== undefined || wish.proxyUrl !== undefined) {
      await this.vault.supersede(tx, id, (stored) => secretOf(wish, before, stored));
      await deleteCooldowns(tx, id, 'credential-refused');
    }
    await updateAccount(tx, id, version, settings);
    await this.putInGroups(tx, id, wish.groups);
    return { before, after: known(await findAccount(tx, id)) };
  }

  private async putInGroups(
    tx: EntityManager,
    id: string,
    groups: readonly string[] | undefined,
  ): Promise<void> {
    if (groups === undefined) return;
    const missing = await missingGroups(tx, groups);
    refuse(
      missing.map((group) => ({ field: 'groups', problem: `holds ${group}, which is no account group` })),
    );
    await setGroupsOf(tx, id, groups);
  }

  private upstreamOf(kind: string): Upstream {
    const upstream = this.registry.get(kind);
    if (upstream !== undefined) return upstream;
    throw ProblemError.fields([
      { field: 'kind', problem: `must be one of ${this.registry.kinds().join(', ')}` },
    ]);
  }
}

function entryOf(actor: string, action: string, resourceId: string) {
  return { actor, action, resource: 'account', resourceId };
}

function known<T>(found: T | undefined): T {
  if (found === undefined) throw ProblemError.of(404, 'There is no account with this id');
  return found;
}

async function named<T>(write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    if (!violates(error, 'accounts_name')) throw error;
    throw new ProblemError(409, 'Conflict', 'Another account has this name', [
      { field: 'name', problem: 'is taken by another account' },
    ]);
  }
}

/** Tries again while a renewal holds the credential: each try lets go of everything it took. */
async function unlessHeld<T>(write: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await write();
    } catch (error) {
      if (!(error instanceof CredentialHeld)) throw error;
      if (tries === EDIT_TRIES) {
        throw new ProblemError(
          409,
          'Conflict',
          'The credential is being renewed; try again in a few seconds',
        );
      }
      await sleep(EDIT_PAUSE_MS);
    }
  }
}
