import { Inject, Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { ENV } from '../config/config.module.ts';
import type { Env } from '../config/env.ts';
import { ConfigChanges } from '../database/config-changes.ts';
import { digestOfToken, newAdminToken } from './admin-token.ts';
import { hasAdminTokens, insertAdminToken, isOnlyToken, replaceTokens } from './admin-tokens.repository.ts';
import { AdminTokens } from './admin-tokens.ts';

const FROM_ENVIRONMENT = 'RELAY_ADMIN_TOKEN';
const GENERATED = 'first administrator';

/** Rolls the change back: another replica was faster. */
class AlreadyThere extends Error {}

/**
 * Sees at boot that there is an administrator: the token of the environment, or, on a database that never had one, a
 * generated one. Replicas that boot together agree, because changes of the settings happen one after another.
 */
@Injectable()
export class FirstAdmin {
  constructor(
    @Inject(ENV) private readonly env: Env,
    private readonly database: DataSource,
    private readonly changes: ConfigChanges,
    private readonly tokens: AdminTokens,
  ) {}

  /**
   * @returns the token when this call generated it: to be printed once, on the terminal, and never logged.
   *
   * A token of the environment that was replaced by another one there is revoked.
   */
  async ensure(): Promise<string | undefined> {
    const given = this.env.adminToken;
    const token = given ?? newAdminToken();
    const name = given === undefined ? GENERATED : FROM_ENVIRONMENT;
    const row = { id: uuidv7(), name, digest: digestOfToken(token) };
    const isDone = (tx: EntityManager): Promise<boolean> =>
      given === undefined ? hasAdminTokens(tx) : isOnlyToken(tx, name, row.digest);

    const made = !(await isDone(this.database.manager)) && (await this.make(row, isDone));
    await this.tokens.reload();
    return made && given === undefined ? token : undefined;
  }

  private async make(
    row: { readonly id: string; readonly name: string; readonly digest: Buffer },
    isDone: (tx: EntityManager) => Promise<boolean>,
  ): Promise<boolean> {
    const entry = {
      actor: 'relay',
      action: 'admin-token.create',
      resource: 'admin-token',
      resourceId: row.id,
      after: { name: row.name },
    };
    try {
      await this.changes.write(entry, async (tx) => {
        if (await isDone(tx)) throw new AlreadyThere();
        await (row.name === FROM_ENVIRONMENT ? replaceTokens(tx, row) : insertAdminToken(tx, row));
      });
      return true;
    } catch (error) {
      if (error instanceof AlreadyThere) return false;
      throw error;
    }
  }
}
