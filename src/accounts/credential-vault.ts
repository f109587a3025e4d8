import { Inject, Injectable } from '@nestjs/common';
import type { Credentials, Secret } from '../upstream/account.ts';
import {
  credentialsNotUnder,
  deleteCredential,
  insertCredential,
  lockCredential,
  readCredential,
  replaceCredential,
  resealCredential,
  type Database,
  type SealedCredential,
} from './credentials.repository.ts';
import { isLockRefused } from '../database/database-conflict.ts';
import { KEY_RING } from './key-ring.ts';
import { seal, SealBroken, unseal, type KeyRing, type SealedPlace } from './sealing.ts';

/** A renewal holds the credential's row; it lets go within seconds. */
export class CredentialHeld extends Error {}

export interface Resealed {
  readonly moved: number;
  /** Accounts whose credential does not open under the key it names; it is left as it is. */
  readonly unreadable: readonly string[];
}

/**
 * What stands under the seal: the values alone, or with a proxy beside them. A build that knows no proxies finds no
 * field of a credential in the second, so that it cannot sign a request, let alone send it past the proxy.
 */
type Sealed = Secret['values'] | WithProxy;
type WithProxy = Secret & { readonly proxyUrl: string };

const BEFORE_ALL = '00000000-0000-0000-0000-000000000000';

/** `account_credentials`, opened: the one place where stored credentials are sealed and unsealed. */
@Injectable()
export class CredentialVault {
  constructor(@Inject(KEY_RING) private readonly ring: KeyRing) {}

  /** @throws SealBroken */
  async read(database: Database, accountId: string): Promise<Credentials | undefined> {
    return this.opened(await readCredential(database, accountId));
  }

  /** The same, with the row held until the transaction ends. @throws SealBroken */
  async hold(tx: Database, accountId: string): Promise<Credentials | undefined> {
    return this.opened(await lockCredential(tx, accountId, 'wait'));
  }

  async insert(tx: Database, accountId: string, secret: Secret): Promise<void> {
    await insertCredential(tx, this.sealed(accountId, { ...secret, version: 1 }));
  }

  /** Writes the version that follows `from`; false when `from` is no longer the stored one. */
  async replace(tx: Database, accountId: string, from: number, secret: Secret): Promise<boolean> {
    return replaceCredential(tx, this.sealed(accountId, { ...secret, version: from + 1 }));
  }

  /**
   * An administrator's secret over whatever is stored, readable or not.
   * @param make is given a look at what is stored, which throws SealBroken where that cannot be opened
   * @throws CredentialHeld when a renewal holds the row
   */
  async supersede(
    tx: Database,
    accountId: string,
    make: (stored: () => Credentials | undefined) => Secret,
  ): Promise<void> {
    const stored = await this.takeIfFree(tx, accountId);
    const secret = make(() => this.opened(stored));
    if (stored === undefined) await this.insert(tx, accountId, secret);
    else await this.replace(tx, accountId, stored.version, secret);
  }

  /** @throws CredentialHeld when a renewal holds the row */
  async remove(tx: Database, accountId: string): Promise<void> {
    await this.takeIfFree(tx, accountId);
    await deleteCredential(tx, accountId);
  }

  /**
   * Seals every credential that stands under an older key under the newest one, row by row and without holding any, so
   * that nobody waits for it. A row that changes meanwhile (an edit, a renewal) is met again by another pass.
   */
  async resealAll(database: Database, batch: number): Promise<Resealed> {
    for (let moved = 0; ;) {
      const pass = await this.resealPass(database, batch);
      moved += pass.moved;
      if (pass.overtaken === 0) return { moved, unreadable: pass.unreadable };
    }
  }

  private async resealPass(database: Database, batch: number): Promise<Resealed & { overtaken: number }> {
    const result = { moved: 0, overtaken: 0, unreadable: [] as string[] };
    for (let after = BEFORE_ALL; ;) {
      const page = await credentialsNotUnder(database, this.ring.newest, after, batch);
      for (const row of page) {
        const bytes = this.resealed(row);
        if (bytes === undefined) result.unreadable.push(row.accountId);
        else if (await resealCredential(database, row, this.ring.newest, bytes)) result.moved += 1;
        else result.overtaken += 1;
      }
      const last = page.at(-1);
      if (last === undefined) return result;
      after = last.accountId;
    }
  }

  /** @throws SealBroken */
  opened(row: SealedCredential | undefined): Credentials | undefined {
    if (row === undefined) return undefined;
    const sealed = JSON.parse(unseal(this.ring, placeOf(row), recordOf(row)).toString('utf8')) as Sealed;
    const { values, proxyUrl }: Secret = isWithProxy(sealed) ? sealed : { values: sealed };
    return Object.freeze({ version: row.version, values: Object.freeze(values), proxyUrl });
  }

  /** As it stands in the database. */
  sealed(accountId: string, { version, values, proxyUrl }: Credentials): SealedCredential {
    const sealed: Sealed = proxyUrl === undefined ? values : { values, proxyUrl };
    const plaintext = Buffer.from(JSON.stringify(sealed));
    const { keyId, bytes } = seal(this.ring, placeOf({ accountId, version }), plaintext);
    return { accountId, version, keyId, sealed: bytes };
  }

  private resealed(row: SealedCredential): Buffer | undefined {
    try {
      return seal(this.ring, placeOf(row), unseal(this.ring, placeOf(row), recordOf(row))).bytes;
    } catch (error) {
      if (error instanceof SealBroken) return undefined;
      throw error;
    }
  }

  private async takeIfFree(tx: Database, accountId: string): Promise<SealedCredential | undefined> {
    try {
      return await lockCredential(tx, accountId, 'nowait');
    } catch (error) {
      if (isLockRefused(error)) throw new CredentialHeld('The credential is being renewed');
      throw error;
    }
  }
}

function isWithProxy(sealed: Sealed): sealed is WithProxy {
  return typeof sealed.values === 'object';
}

function placeOf({ accountId, version }: Pick<SealedCredential, 'accountId' | 'version'>): SealedPlace {
  return { table: 'account_credentials', column: 'sealed', row: accountId, version };
}

function recordOf({ keyId, sealed }: SealedCredential): { keyId: string; bytes: Buffer } {
  return { keyId, bytes: sealed };
}
