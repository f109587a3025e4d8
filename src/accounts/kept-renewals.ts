import { Inject, Injectable } from '@nestjs/common';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { ENV } from '../config/config.module.ts';
import type { Env } from '../config/env.ts';
import { LOGGER } from '../telemetry/logger.ts';
import type { Credentials } from '../upstream/account.ts';
import { CredentialVault } from './credential-vault.ts';

/** Beside the folders of the epochs, and kept as long as the spool is. */
const FOLDER = 'renewed';
const ACCOUNT_ID = /^[0-9a-f-]{36}$/;

/**
 * Credentials that a token server gave and the database does not have yet: what they were renewed from may be spent, so
 * that to lose them is to lose the account. In memory, and sealed as in the database on the disk of the spool, where
 * the next process finds them.
 *
 * States of one: kept (before anything is written to the database) → forgotten (stored, or outdated by what is).
 */
@Injectable()
export class KeptRenewals {
  private readonly kept = new Map<string, Credentials>();
  private readonly folder: string | undefined;

  constructor(
    @Inject(ENV) env: Pick<Env, 'spoolDir'>,
    private readonly vault: CredentialVault,
    @Inject(LOGGER) private readonly log: Logger,
  ) {
    this.folder = env.spoolDir === undefined ? undefined : join(env.spoolDir, FOLDER);
  }

  /** A disk that fails costs the safety of this one, and is told. */
  keep(accountId: string, renewed: Credentials): void {
    this.kept.set(accountId, renewed);
    if (this.folder === undefined) return;
    const { version, keyId, sealed } = this.vault.sealed(accountId, renewed);
    const text = JSON.stringify({ version, keyId, sealed: sealed.toString('base64') });
    const path = join(this.folder, accountId);
    try {
      mkdirSync(this.folder, { recursive: true, mode: 0o700 });
      writeFileSync(`${path}.draft`, text, { mode: 0o600, flush: true });
      renameSync(`${path}.draft`, path);
    } catch (error) {
      this.log.error({ err: error, accountId }, 'a renewed credential cannot be kept on the disk');
    }
  }

  /** What this version was renewed to, by this process or one before it. */
  after(accountId: string, version: number): Credentials | undefined {
    const found = this.kept.get(accountId) ?? this.read(accountId);
    return found?.version === version + 1 ? found : undefined;
  }

  forget(accountId: string): void {
    this.kept.delete(accountId);
    if (this.folder === undefined) return;
    try {
      rmSync(join(this.folder, accountId), { force: true });
    } catch (error) {
      // What stays is outdated, and is known by its version.
      this.log.warn({ err: error, accountId }, 'a renewed credential cannot be removed from the disk');
    }
  }

  /** Accounts of which something lies on the disk. */
  accounts(): readonly string[] {
    if (this.folder === undefined) return [];
    try {
      return readdirSync(this.folder).filter((name) => ACCOUNT_ID.test(name));
    } catch {
      return [];
    }
  }

  private read(accountId: string): Credentials | undefined {
    if (this.folder === undefined) return undefined;
    let text: string;
    try {
      text = readFileSync(join(this.folder, accountId), 'utf8');
    } catch {
      return undefined;
    }
    try {
      const { version, keyId, sealed } = JSON.parse(text) as Record<'keyId' | 'sealed', string> & {
        version: number;
      };
      return this.vault.opened({ accountId, version, keyId, sealed: Buffer.from(sealed, 'base64') });
    } catch (error) {
      this.log.error({ err: error, accountId }, 'a renewed credential on the disk cannot be read');
      return undefined;
    }
  }
}
