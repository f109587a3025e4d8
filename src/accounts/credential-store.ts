import { Inject, Injectable } from '@nestjs/common';
import type { Logger } from 'pino';
import { DataSource } from 'typeorm';
import { LOGGER } from '../telemetry/logger.ts';
import type { Account, Credentials } from '../upstream/account.ts';
import { CredentialRefused, CredentialUnavailable } from './credential-failure.ts';
import { CredentialRenewal } from './credential-renewal.ts';
import { CredentialVault } from './credential-vault.ts';
import { millisecondsLeft } from './expiry.ts';

export { CredentialRefused, CredentialUnavailable };

/** A credential that ends within this time is renewed before it is used. */
const AHEAD_MS = 60_000;
/** How long a call waits for a renewal while what it has is still good. */
const PATIENCE_MS = 2_000;
/** After a renewal ahead of time failed, the next is tried this much later. */
const AHEAD_PAUSE_MS = 15_000;

/**
 * Unsealed credentials by account. An entry is as good as the version that the account's copy in memory tells; a
 * lower one is read again, a higher one (this replica has just renewed it) is kept. One read and one renewal run at a
 * time for each account and version, and whoever asks meanwhile gets the same answer.
 */
@Injectable()
export class CredentialStore {
  private readonly held = new Map<string, Credentials>();
  private readonly running = new Map<string, Promise<Credentials>>();
  private readonly aheadNotBefore = new Map<string, number>();

  constructor(
    private readonly database: DataSource,
    private readonly vault: CredentialVault,
    private readonly renewal: CredentialRenewal,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /**
   * What to sign the next request of this account with; at once where it is held.
   * @throws CredentialRefused when it has expired and only a person can mend it
   * @throws CredentialUnavailable when it could not be read, or has expired and could not be renewed just now
   */
  current(account: Account): Credentials | Promise<Credentials> {
    const held = this.held.get(account.id);
    const fresh = held !== undefined && held.version >= account.credentialsVersion;
    if (fresh) return this.unexpired(account, held);
    return this.read(account).then((credentials) => this.unexpired(account, credentials));
  }

  /**
   * After the upstream refused version `seenVersion`: a newer one, stored meanwhile or renewed now.
   * @throws CredentialRefused when only a person can mend it
   * @throws CredentialUnavailable when this try failed; says nothing about the account
   */
  async renew(account: Account, seenVersion: number): Promise<Credentials> {
    const held = this.held.get(account.id);
    if (held !== undefined && held.version > seenVersion) return held;
    return this.once(`renew ${account.id} ${seenVersion}`, account, () =>
      this.renewal.renew(account, seenVersion),
    );
  }

  /** Forgets the secrets of accounts that are gone. */
  retain(accounts: readonly Account[]): void {
    const known = new Set(accounts.map((account) => account.id));
    for (const map of [this.held, this.aheadNotBefore]) {
      for (const id of map.keys()) if (!known.has(id)) map.delete(id);
    }
  }

  private unexpired(account: Account, credentials: Credentials): Credentials | Promise<Credentials> {
    const left = millisecondsLeft(credentials.values.expiresAt);
    if (left > AHEAD_MS || !this.renewal.renewable(account, credentials)) return credentials;
    return this.renewAhead(account, credentials, left);
  }

  private async read(account: Account): Promise<Credentials> {
    return this.once(`read ${account.id} ${account.credentialsVersion}`, account, async () => {
      const credentials = await this.vault.read(this.database, account.id);
      if (credentials === undefined) throw new CredentialUnavailable('The account has no credential');
      return credentials;
    });
  }

  private async renewAhead(account: Account, credentials: Credentials, left: number): Promise<Credentials> {
    if (left <= 0) return this.renew(account, credentials.version);
    if (performance.now() < (this.aheadNotBefore.get(account.id) ?? 0)) return credentials;
    const renewal = this.renew(account, credentials.version).catch(() => {
      this.aheadNotBefore.set(account.id, performance.now() + AHEAD_PAUSE_MS);
      return credentials;
    });
    return Promise.race([renewal, after(Math.min(left, PATIENCE_MS), credentials)]);
  }

  private async once(task: string, account: Account, work: () => Promise<Credentials>): Promise<Credentials> {
    const running = this.running.get(task);
    if (running !== undefined) return running;
    const started = work()
      .then((credentials) => this.keep(account, credentials))
      .catch((error: unknown) => {
        throw this.told(account, error);
      })
      .finally(() => this.running.delete(task));
    this.running.set(task, started);
    return started;
  }

  private keep(account: Account, credentials: Credentials): Credentials {
    const held = this.held.get(account.id);
    if (held !== undefined && held.version > credentials.version) return held;
    this.held.set(account.id, credentials);
    return credentials;
  }

  /** Our own failures carry no value of a credential; of any other error only its class goes to the log. */
  private told(account: Account, error: unknown): Error {
    const known = error instanceof CredentialRefused || error instanceof CredentialUnavailable;
    const failure = known
      ? error
      : new CredentialUnavailable('The credential could not be read', { cause: error });
    const why = known ? error.message : error instanceof Error ? error.constructor.name : 'unknown';
    this.logger.warn({ accountId: account.id, why }, 'credential failure');
    return failure;
  }
}

async function after<T>(ms: number, value: T): Promise<T> {
  return new Promise((resolve) => setTimeout(resolve, ms, value).unref());
}
