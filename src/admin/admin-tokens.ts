import { Inject, Injectable } from '@nestjs/common';
import { ConfigWatch } from '../database/config-watch.ts';
import { HOT_POOL } from '../database/hot-pool.ts';
import type { Queryable } from '../database/statement.ts';
import { digestOfToken } from './admin-token.ts';
import { READ_ADMIN_TOKENS, type Administrator, type AdminTokenRow } from './admin-tokens.repository.ts';

const TRUSTED_MS = 60_000;
const MISSED_MS = 2_000;
const IN_USE_MS = 600_000;
const LONGEST = 512;

interface Known {
  readonly administrator: Administrator;
  usedAt: number | undefined;
}

/**
 * All tokens in force, by digest: there are few, so that a guess costs one hash and no statement.
 *
 * States: empty → loaded → (settings changed, 60 s passed, or a token missed and 2 s passed) loading → loaded. Loads may
 * overlap; one that began earlier never replaces what a later one brought. When the database is gone, a load older than
 * 60 s is not trusted any more.
 */
@Injectable()
export class AdminTokens {
  private known = new Map<string, Known>();
  private loadedAt = -Infinity;
  private begun = 0;
  private applied = 0;

  constructor(
    @Inject(HOT_POOL) private readonly database: Queryable,
    watch: ConfigWatch,
  ) {
    watch.onChange(() => this.reload());
  }

  /** @throws DatabaseUnavailable when nothing recent is known */
  async find(token: string): Promise<Administrator | undefined> {
    if (token.length > LONGEST) return undefined;
    const digest = digestOfToken(token).toString('hex');
    if (this.ageMs() > TRUSTED_MS) await this.reload();
    if (!this.known.has(digest) && this.ageMs() > MISSED_MS) await this.reload();
    const found = this.known.get(digest);
    if (found !== undefined) found.usedAt = performance.now();
    return found?.administrator;
  }

  /** The token opened something in the last ten minutes: its owner is not kept out for the guesses of a neighbour. */
  isInUse(token: string): boolean {
    if (token.length > LONGEST) return false;
    const usedAt = this.known.get(digestOfToken(token).toString('hex'))?.usedAt;
    return usedAt !== undefined && performance.now() - usedAt < IN_USE_MS;
  }

  async reload(): Promise<void> {
    const begun = (this.begun += 1);
    const startedAt = performance.now();
    const rows = await this.database.run<AdminTokenRow>(READ_ADMIN_TOKENS, []);
    if (begun < this.applied) return;
    this.applied = begun;
    this.loadedAt = startedAt;
    this.known = new Map(
      rows.map(({ id, name, digest }) => {
        const hex = digest.toString('hex');
        return [hex, { administrator: { id, name }, usedAt: this.known.get(hex)?.usedAt }];
      }),
    );
  }

  private ageMs(): number {
    return performance.now() - this.loadedAt;
  }
}
