import { Inject, Injectable } from '@nestjs/common';
import type { Logger } from 'pino';
import { ConfigWatch } from '../database/config-watch.ts';
import { HOT_POOL } from '../database/hot-pool.ts';
import type { Queryable } from '../database/statement.ts';
import { LOGGER } from '../telemetry/logger.ts';
import type { ApiKey } from './api-key.ts';
import { BoundedMemory } from './bounded-memory.ts';
import { DatabaseClock } from './database-clock.ts';
import {
  FIND_KEY_BY_DIGEST,
  FIND_KEY_BY_ID,
  READ_CHANGED_KEYS,
  readKeyRow,
  type FoundKey,
  type KeyLookupRow,
} from './key-lookup.repository.ts';
import { hexDigestOfSecret, looksLikeKey } from './key-secret.ts';

const MOST_KEYS = 50_000;
const MOST_STRANGERS = 10_000;
const KEY_MS = 60_000;
const STRANGER_MS = 2_000;

/**
 * Keys by the whole digest of their secret, from memory; on a miss one indexed statement, shared by all who ask at once.
 *
 * An entry's states: unknown → loading → known (60 s) or stranger (2 s) → unknown. One in use is read again from half of
 * its time on, so that an outage finds it known for half a minute. A change of the key makes it unknown at once. What was being loaded while settings changed is answered to those who asked, but not kept: it may have been
 * read before the change. Strangers have a memory of their own, so that guesses push no key out.
 */
@Injectable()
export class KeyDirectory {
  private readonly keys = new BoundedMemory<FoundKey>(MOST_KEYS, KEY_MS);
  private readonly strangers = new BoundedMemory<true>(MOST_STRANGERS, STRANGER_MS);
  private readonly loading = new Map<string, Promise<FoundKey | undefined>>();
  private readonly digests = new WeakMap<ApiKey, string>();
  private readonly clock = new DatabaseClock();
  private changes = 0;

  constructor(
    @Inject(HOT_POOL) private readonly database: Queryable,
    @Inject(LOGGER) private readonly log: Logger,
    watch: ConfigWatch,
  ) {
    watch.onChange((fromVersion) => this.takeChanges(fromVersion));
  }

  /**
   * The key with this secret, usable or not (see {@link isUsable}); at once where memory can tell. The promise fails
   * with DatabaseUnavailable when the database cannot be asked.
   */
  find(secret: string): ApiKey | undefined | Promise<ApiKey | undefined> {
    return looksLikeKey(secret) ? this.findDigest(hexDigestOfSecret(secret)) : undefined;
  }

  /** The key as it is in the database at this moment, usable or not; for looks at a key that nobody presents. */
  async look(id: string): Promise<ApiKey | undefined> {
    const [row] = await this.database.run<KeyLookupRow>(FIND_KEY_BY_ID, [id]);
    return row && readKeyRow(row)?.key;
  }

  /** Reads the key again, by the secret it was found with: undefined when that secret opens nothing any more. */
  async reread(key: ApiKey): Promise<ApiKey | undefined> {
    const digest = this.digests.get(key);
    if (digest === undefined) return undefined;
    // Of many calls that are told at once that it is old, one reads it for all: each by itself would fill the pool.
    if (this.keys.get(digest)?.key === key) await this.refresh(key.id);
    return this.findDigest(digest);
  }

  /** Forgets a key, so that it is read again when next used. */
  async refresh(keyId: string): Promise<void> {
    this.changes += 1;
    this.loading.clear();
    this.keys.forget(({ key }) => key.id === keyId);
  }

  /**
   * Enabled, not revoked, not expired by the database's clock. A first look for routes that take no place; admission
   * reads the key's row itself.
   */
  isUsable(key: ApiKey): boolean {
    return key.enabled && key.revokedAt === null && !this.clock.isPast(key.expiresAt);
  }

  private findDigest(digest: string): ApiKey | undefined | Promise<ApiKey | undefined> {
    if (this.strangers.get(digest) === true) return undefined;
    const known = this.keys.get(digest);
    if (known === undefined) return this.load(digest).then((found) => this.opened(found));
    if (this.keys.isHalfOver(digest)) this.renew(digest);
    return this.opened(known);
  }

  /** What its secret opens now. */
  private opened(found: FoundKey | undefined): ApiKey | undefined {
    return found === undefined || this.clock.isPast(found.secretExpiresAt) ? undefined : found.key;
  }

  /** Nobody waits for it: where the database is away, the key is known for the rest of its time. */
  private renew(digest: string): void {
    this.load(digest).catch(() => undefined);
  }

  private load(digest: string): Promise<FoundKey | undefined> {
    const running = this.loading.get(digest);
    if (running !== undefined) return running;
    const load = this.read(digest).finally(() => {
      if (this.loading.get(digest) === load) this.loading.delete(digest);
    });
    this.loading.set(digest, load);
    return load;
  }

  private async read(digest: string): Promise<FoundKey | undefined> {
    const changes = this.changes;
    const [row] = await this.database.run<KeyLookupRow>(FIND_KEY_BY_DIGEST, [Buffer.from(digest, 'hex')]);
    const found = row === undefined ? undefined : readKeyRow(row);
    if (row !== undefined) this.clock.learn(row.now);
    if (row !== undefined && found === undefined)
      this.log.error({ keyId: row['id'] }, 'a key row is not whole');
    if (found !== undefined) this.digests.set(found.key, digest);
    if (changes === this.changes) {
      if (found === undefined) this.strangers.set(digest, true);
      else this.keys.set(digest, found);
    }
    return found;
  }

  private async takeChanges(fromVersion: bigint): Promise<void> {
    this.changes += 1;
    this.loading.clear();
    this.strangers.clear();
    if (fromVersion === 0n) {
      this.keys.clear();
      return;
    }
    const rows = await this.database.run<{ id: string }>(READ_CHANGED_KEYS, [fromVersion.toString()]);
    const changed = new Set(rows.map(({ id }) => id));
    this.keys.forget(({ key }) => changed.has(key.id));
  }
}
