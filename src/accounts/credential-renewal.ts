import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { ConfigChanges } from '../database/config-changes.ts';
import { Metrics } from '../telemetry/metrics.ts';
import type { Account, Credentials } from '../upstream/account.ts';
import { UpstreamClient } from '../upstream/upstream-client.ts';
import { UpstreamRegistry } from '../upstream/upstream-registry.ts';
import { bumpAccounts } from './accounts.repository.ts';
import { CredentialRefused, CredentialUnavailable } from './credential-failure.ts';
import { CredentialVault } from './credential-vault.ts';
import { KeptRenewals } from './kept-renewals.ts';
import { requestToken } from './token-request.ts';
import { Turnstile } from './turnstile.ts';

/** Each holds a connection while the token server thinks; the rest of the pool stays for everybody else. */
const RENEWALS_AT_ONCE = 4;

/**
 * Renews one credential for all replicas. The states of a renewal:
 *
 * 1. *asked*: the caller saw version n. A newer version already stored answers at once.
 * 2. *held*: the account's row in `account_credentials` is locked and the version read again; a replica that waited
 *    finds n + 1 here and takes it, so that n is renewed once.
 * 3. *fetched*: the token server answered. It is asked with no other lock held: the change counter, which every
 *    administrator's write takes first, is free meanwhile. Until they are stored the new values are kept
 *    (`KeptRenewals`): the server may have spent the old ones, so that asking again would lose the account.
 * 4. *stored*: change counter, version n + 1, the account's version and the audit row are committed together and
 *    told to the other replicas.
 *
 * Lock order is credential row, then change counter; an administrator's edit goes the other way, and therefore takes
 * the credential row only when it is free (`nowait`) and lets the counter go otherwise: nobody waits in a circle.
 */
@Injectable()
export class CredentialRenewal {
  private readonly turnstile = new Turnstile(RENEWALS_AT_ONCE);
  /** Version of each account that its token server has refused for good. */
  private readonly refused = new Map<string, number>();

  constructor(
    private readonly database: DataSource,
    private readonly vault: CredentialVault,
    private readonly registry: UpstreamRegistry,
    private readonly client: UpstreamClient,
    private readonly changes: ConfigChanges,
    private readonly metrics: Metrics,
    private readonly kept: KeptRenewals,
  ) {}

  /** Whether the kind can make a renewal request from these values. */
  renewable(account: Account, credentials: Credentials): boolean {
    return this.registry.get(account.kind)?.refresh?.(credentials) !== undefined;
  }

  /**
   * A version newer than `seenVersion`.
   * @throws CredentialRefused when only a person can mend it
   * @throws CredentialUnavailable when this try failed, and says nothing about the account
   */
  async renew(account: Account, seenVersion: number): Promise<Credentials> {
    const stored = await this.stored(account);
    if (stored.version > seenVersion) return stored;
    if (this.refused.get(account.id) === stored.version || !this.renewable(account, stored)) {
      throw new CredentialRefused('The credential was refused and cannot be renewed');
    }
    try {
      const renewed = await this.turnstile.run(() => this.renewHeld(account, seenVersion));
      this.kept.forget(account.id);
      return renewed;
    } catch (error) {
      const newer = await this.stored(account).catch(() => undefined);
      if (newer !== undefined && newer.version > seenVersion) return newer;
      if (error instanceof CredentialRefused) this.refused.set(account.id, seenVersion);
      if (error instanceof CredentialRefused || error instanceof CredentialUnavailable) throw error;
      throw new CredentialUnavailable('The renewed credential could not be stored');
    }
  }

  /**
   * Stores what an earlier process was given and could not store. What fails is left for the next renewal of its account.
   * @param accountOf undefined: there is none any more
   */
  async storeKept(accountOf: (id: string) => Account | undefined): Promise<void> {
    for (const id of this.kept.accounts()) {
      const account = accountOf(id);
      const stored = account && (await this.stored(account).catch(() => undefined));
      if (account === undefined) this.kept.forget(id);
      else if (stored !== undefined && this.kept.after(id, stored.version) !== undefined)
        await this.renew(account, stored.version).catch(() => undefined);
    }
  }

  private async renewHeld(account: Account, seenVersion: number): Promise<Credentials> {
    return this.database.transaction(async (tx) => {
      const held = await this.vault.hold(tx, account.id);
      if (held === undefined) throw new CredentialUnavailable('The account is gone');
      if (held.version > seenVersion) return held;
      const renewed = this.kept.after(account.id, held.version) ?? (await this.fetch(account, held));
      await this.store(tx, account, renewed);
      return renewed;
    });
  }

  private async fetch(account: Account, held: Credentials): Promise<Credentials> {
    const upstream = this.registry.get(account.kind);
    if (upstream === undefined)
      throw new CredentialUnavailable('This build does not know the kind of the account');
    const values = Object.freeze(await this.counted(account.kind, requestToken(this.client, upstream, held)));
    const { proxyUrl } = held;
    const renewed = Object.freeze({ version: held.version + 1, values, proxyUrl });
    this.kept.keep(account.id, renewed);
    return renewed;
  }

  private async counted<T>(kind: string, request: Promise<T>): Promise<T> {
    try {
      const answer = await request;
      this.metrics.credentialRefreshed(kind, 'renewed');
      return answer;
    } catch (error) {
      this.metrics.credentialRefreshed(kind, error instanceof CredentialRefused ? 'refused' : 'failed');
      throw error;
    }
  }

  private async store(tx: EntityManager, account: Account, renewed: Credentials): Promise<void> {
    const entry = {
      actor: 'system',
      action: 'credential.refresh',
      resource: 'credential',
      resourceId: account.id,
      before: { credentialsVersion: renewed.version - 1 },
      after: { credentialsVersion: renewed.version },
    };
    await this.changes.writeIn(tx, entry, async (_, version) => {
      await this.vault.replace(tx, account.id, renewed.version - 1, renewed);
      await bumpAccounts(tx, [account.id], version);
    });
  }

  private async stored(account: Account): Promise<Credentials> {
    const stored = await this.vault.read(this.database, account.id);
    if (stored === undefined) throw new CredentialUnavailable('The account has no credential');
    return stored;
  }
}
