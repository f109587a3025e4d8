import { Inject, Injectable } from '@nestjs/common';
import type { Logger } from 'pino';
import { AccountDirectory } from '../accounts/account-directory.ts';
import { CredentialStore } from '../accounts/credential-store.ts';
import { ENV } from '../config/config.module.ts';
import type { Env } from '../config/env.ts';
import type { DialectName, ModelCard } from '../dialects/dialect.ts';
import { matchesAny } from '../dialects/model-pattern.ts';
import type { ApiKey } from '../keys/api-key.ts';
import { LOGGER } from '../telemetry/logger.ts';
import type { Account } from '../upstream/account.ts';
import { readBounded } from '../upstream/read-bounded.ts';
import { UpstreamClient } from '../upstream/upstream-client.ts';
import { UpstreamRegistry } from '../upstream/upstream-registry.ts';
import type { ModelListing, Upstream } from '../upstream/upstream.ts';
import { translatable } from '../translation/translation.ts';
import { tierOf, upstreamModel } from './candidates.ts';

const FRESH_MS = 3_600_000;
/** How long an account whose list could not be read goes without a new one. */
const RETRY_MS = 60_000;
/** A list is small, and one silent upstream must not hold back the others' for as long as an answer may take. */
const PATIENCE_MS = 10_000;
const MAX_PAGES = 20;
const MAX_PAGE_BYTES = 4 * 1024 * 1024;
/** Vendors use the epoch for a model whose release date is not known; so do we for names of our own. */
const UNDATED = '1970-01-01T00:00:00Z';

type Listed = ReadonlyMap<string, Readonly<Record<string, unknown>>>;

interface Cached {
  readonly version: bigint;
  readonly until: number;
  readonly list: Promise<Listed>;
}

/**
 * Model lists are the relay's own answers: map names, literal allows and each account's upstream list, cut to what
 * the key may call. Upstream lists are kept for an hour by account and settings version; they take no lease.
 */
@Injectable()
export class ModelCatalog {
  private readonly cache = new Map<string, Cached>();

  constructor(
    private readonly accounts: AccountDirectory,
    private readonly registry: UpstreamRegistry,
    private readonly credentials: CredentialStore,
    private readonly client: UpstreamClient,
    @Inject(ENV) private readonly env: Env,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  /** The models that a call of this dialect may generate with. */
  async cards(key: ApiKey, dialect: DialectName): Promise<readonly ModelCard[]> {
    const cards = new Map<string, ModelCard>();
    const lists = this.accounts.all().map(async (account) => {
      const upstream = this.registry.get(account.kind);
      const usable = account.enabled && upstream !== undefined && tierOf(key, account) !== undefined;
      return usable ? this.cardsOf(account, upstream, dialect) : [];
    });
    for (const card of (await Promise.all(lists)).flat()) {
      if (!cards.has(card.id) && matchesAny(key.models, card.id)) cards.set(card.id, card);
    }
    return [...cards.values()].sort(
      (a, b) => b.createdAt.localeCompare(a.createdAt) || a.id.localeCompare(b.id),
    );
  }

  private async cardsOf(account: Account, upstream: Upstream, dialect: DialectName): Promise<ModelCard[]> {
    const listed = await this.listOf(account, upstream);
    const literal = (account.models?.allow ?? []).filter((pattern) => !pattern.includes('*'));
    const names = new Set([...Object.keys(account.models?.map ?? {}), ...literal]);
    for (const id of listed.keys()) {
      if (upstreamModel(account, upstream, id) !== undefined) names.add(id);
    }
    return [...names].flatMap((id) => {
      const spoken = upstream.speaks(id, upstreamModel(account, upstream, id) ?? id);
      const reached = spoken.some((one) => one === dialect || translatable(dialect, one, 'generate'));
      if (!reached) return [];
      const raw = spoken.includes(dialect) ? listed.get(id) : undefined;
      const created = raw?.['created_at'];
      const display = raw?.['display_name'] ?? raw?.['displayName'];
      const card = {
        id,
        displayName: typeof display === 'string' ? display : id,
        createdAt: typeof created === 'string' ? created : UNDATED,
        ...(raw === undefined ? {} : { raw }),
      };
      return [card];
    });
  }

  private listOf(account: Account, upstream: Upstream): Promise<Listed> {
    const { models } = upstream;
    if ('names' in models) return Promise.resolve(new Map(models.names.map((name) => [name, {}])));
    const cached = this.cache.get(account.id);
    if (cached !== undefined && cached.version === account.version && cached.until > Date.now())
      return cached.list;
    const list = this.fetch(account, upstream, models).catch((error: unknown): Listed | Promise<Listed> => {
      this.log.warn({ account: account.id, err: error }, "an account's model list could not be read");
      this.cache.set(account.id, { version: account.version, until: Date.now() + RETRY_MS, list });
      return cached?.version === account.version ? cached.list : new Map();
    });
    this.cache.set(account.id, { version: account.version, until: Date.now() + FRESH_MS, list });
    return list;
  }

  private async fetch(account: Account, upstream: Upstream, models: ModelListing): Promise<Listed> {
    const listed = new Map<string, Readonly<Record<string, unknown>>>();
    const patienceMs = Math.min(this.env.clocks.headersMs, PATIENCE_MS);
    const signal = AbortSignal.timeout(patienceMs);
    let page: string | undefined;
    for (let pages = 0; pages < MAX_PAGES; pages += 1) {
      const request = models.request(account, page);
      const credentials = await this.credentials.current(account);
      const headers = await upstream.sign(request, credentials);
      const { proxyUrl } = credentials;
      const answer = await this.client.send(
        { ...request, headers },
        { signal, headersMs: patienceMs, proxyUrl },
      );
      const body = await readBounded(answer.body, MAX_PAGE_BYTES);
      if (answer.status !== 200) throw new Error(`The upstream answered ${answer.status} to a model list`);
      const list = models.read(body);
      for (const entry of list.models) {
        const id = models.id(entry);
        if (id !== undefined) listed.set(id, entry);
      }
      if (list.next === undefined) break;
      page = list.next;
    }
    return listed;
  }
}
