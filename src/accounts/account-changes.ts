import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { ConfigChanges, type ChangeEntry } from '../database/config-changes.ts';
import { AccountDirectory } from './account-directory.ts';

/**
 * An administrator's write of accounts or groups: an audited change that this replica has taken in when the answer
 * goes out, so that a script may call right afterwards. The others follow by hint or poll.
 */
@Injectable()
export class AccountChanges {
  constructor(
    private readonly changes: ConfigChanges,
    private readonly directory: AccountDirectory,
  ) {}

  async write<T>(
    entry: ChangeEntry<T>,
    work: (tx: EntityManager, version: bigint) => Promise<T>,
  ): Promise<T> {
    const result = await this.changes.write(entry, work);
    // The change is committed whatever happens here; the next look of the watch reads it again.
    await this.directory.update().catch(() => undefined);
    return result;
  }
}
