import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { Account } from '../upstream/account.ts';
import { accountsAbove } from './accounts.repository.ts';

const BEFORE_ALL = -1n;

/**
 * Every account that is not deleted, enabled or not, as frozen copies in memory. `seen` is the highest version among
 * the rows read so far; versions commit in order, so that everything above it is what has changed. A reader sees the
 * copies of before or of after a change, never a mixture.
 */
@Injectable()
export class AccountDirectory {
  private accounts: ReadonlyMap<string, Account> = new Map();
  private list: readonly Account[] = Object.freeze([]);
  private seen = BEFORE_ALL;
  private reading: Promise<void> = Promise.resolve();

  constructor(private readonly database: DataSource) {}

  all(): readonly Account[] {
    return this.list;
  }

  get(id: string): Account | undefined {
    return this.accounts.get(id);
  }

  /** Reads everything anew. */
  async reload(): Promise<void> {
    return this.inTurn(BEFORE_ALL);
  }

  /** Reads what has changed since the last time. */
  async update(): Promise<void> {
    return this.inTurn();
  }

  /** One reading after another: an older answer never overwrites a newer one. */
  private async inTurn(from?: bigint): Promise<void> {
    const turn = this.reading.then(() => this.read(from ?? this.seen));
    this.reading = turn.catch(() => undefined);
    return turn;
  }

  private async read(from: bigint): Promise<void> {
    const changes = await accountsAbove(this.database, from);
    if (changes.length === 0 && from !== BEFORE_ALL) return;
    const accounts = new Map(from === BEFORE_ALL ? [] : this.accounts);
    let seen = from;
    for (const { account, deleted } of changes) {
      if (deleted) accounts.delete(account.id);
      else accounts.set(account.id, frozen(account));
      if (account.version > seen) seen = account.version;
    }
    this.accounts = accounts;
    this.list = Object.freeze([...accounts.values()]);
    this.seen = seen;
  }
}

function frozen(account: Account): Account {
  const { models } = account;
  return Object.freeze({
    ...account,
    groups: Object.freeze([...account.groups]),
    settings: Object.freeze({ ...account.settings }),
    models:
      models === null
        ? null
        : Object.freeze({
            ...(models.allow === undefined ? {} : { allow: Object.freeze([...models.allow]) }),
            ...(models.map === undefined ? {} : { map: Object.freeze({ ...models.map }) }),
          }),
  });
}
