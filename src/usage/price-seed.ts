import type { MatchLogic, ModelInfo, ModelPrice, TieredPrices } from '@pydantic/genai-prices';
import { priceNames } from './model-names.ts';
import { samePrice } from './price-record.ts';
import type { LongContextOf, Price, RatesOf } from './pricing.ts';

/**
 * Written on each row; a version is applied once in the life of a database. The package's version, checked against
 * package-lock.json by a test, and how many times we have chosen from it anew.
 */
export const SEED_SOURCE = 'genai-prices@0.1.8#2';

/** Whose list prices a kind of account is billed by, and which of that provider's models it reaches. */
const PROVIDERS: readonly Provider[] = [
  { kind: 'claude', provider: 'anthropic', model: /^claude-/ },
  { kind: 'claude-console', provider: 'anthropic', model: /^claude-/ },
  { kind: 'ccr', provider: 'anthropic', model: /^claude-/ },
  // The provider's list has Claude and Gemma on Vertex too, which an account of the Gemini API does not reach.
  { kind: 'gemini', provider: 'google', model: /^gemini-/ },
  {
    kind: 'openai-compatible',
    provider: 'openai',
    model: /^(gpt|chatgpt|codex|o\d|text-embedding|computer-use)\b/,
  },
  { kind: 'bedrock', provider: 'aws', model: /^/, names: bedrockNames },
];

interface Provider {
  readonly kind: string;
  readonly provider: string;
  readonly model: RegExp;
  /** The names of an entry; absent = {@link namesOf}. */
  readonly names?: (entry: ModelInfo, models: readonly ModelInfo[]) => readonly string[];
}

/** From the beginning: the data does not say since when a price without a date has been asked. */
export const BEGINNING = new Date(0);

/** A price and since when it is asked. */
export interface PriceStep {
  readonly effectiveFrom: Date;
  readonly price: Price;
}

export interface SeedModel {
  readonly kind: string;
  readonly model: string;
  /** One step for each date on which the price changes, never empty. */
  readonly schedule: readonly PriceStep[];
}

/** The package's list prices, once for each name of a model. Most starts have no use for its data, and do not load it. */
export async function seedPrices(): Promise<readonly SeedModel[]> {
  const { findProvider } = await import('@pydantic/genai-prices');
  return PROVIDERS.flatMap(({ kind, provider, model, names = namesOf }) => {
    const models = findProvider({ providerId: provider })?.models ?? [];
    const found = new Map<string, SeedModel>();
    for (const entry of models) {
      const schedule = scheduleOf(entry);
      if (schedule.length === 0) continue;
      for (const name of names(entry, models).filter((one) => model.test(one))) {
        if (!found.has(name)) found.set(name, { kind, model: name, schedule });
      }
    }
    return [...found.values()];
  });
}

/**
 * What to add so that, from `now` on, a model's seeded prices are the wanted ones. Nothing that was in force before
 * is changed, except for a model that was never seeded, which gets its whole schedule.
 */
export function additions(
  wanted: readonly PriceStep[],
  existing: readonly PriceStep[],
  now: Date,
): readonly PriceStep[] {
  if (existing.length === 0) return wanted;
  const moments = [
    now,
    ...[...wanted, ...existing].map((step) => step.effectiveFrom).filter((at) => at > now),
  ];
  const known = [...existing];
  const added: PriceStep[] = [];
  for (const moment of moments.sort((a, b) => a.getTime() - b.getTime())) {
    const target = inForce(wanted, moment);
    const current = inForce(known, moment);
    if (target === undefined || (current && samePrice(target.price, current.price))) continue;
    const step = { effectiveFrom: moment, price: target.price };
    known.push(step);
    added.push(step);
  }
  return added;
}

/** The latest that has begun; of two that begin together, the one written later. */
export function inForce<Row extends { readonly effectiveFrom: Date }>(
  rows: readonly Row[],
  at: Date,
): Row | undefined {
  let found: Row | undefined;
  for (const row of rows) {
    if (row.effectiveFrom <= at && (found === undefined || row.effectiveFrom >= found.effectiveFrom))
      found = row;
  }
  return found;
}

/**
 * The names an entry's matching rule spells out, as far as the rule gives them to this entry and not to one before.
 * A prefix is taken as a name, not as a prefix: `claude-sonnet-5` says nothing about a later `claude-sonnet-5-5`.
 */
function namesOf(entry: ModelInfo, models: readonly ModelInfo[]): readonly string[] {
  const whole = [...new Set([entry.id, ...literals(entry.match)])].filter(
    (name) => /^[a-z][a-z0-9.-]*[a-z0-9]$/.test(name) && !/-20\d\d$/.test(name.replace(/-\d\d-20\d\d$/, '')),
  );
  const own = whole.filter((name) => models.find((model) => matches(model.match, name)) === entry);
  return own.filter(
    (name) =>
      !priceNames(name)
        .slice(1)
        .some((bare) => own.includes(bare)),
  );
}

/**
 * The list has a model once for every geography (`regional.`) and once for the global profile, by ids with and without
 * release and version; one name of each is kept, the one that every id comes down to.
 */
function bedrockNames(entry: ModelInfo): readonly string[] {
  const global = entry.id.startsWith('global.');
  const bare = priceNames(entry.id.replace(/^(regional|global)\./, '')).at(-1)!;
  return [global ? `global.${bare}` : bare];
}

function literals(rule: MatchLogic): readonly string[] {
  if ('or' in rule) return rule.or.flatMap(literals);
  if ('and' in rule) return rule.and.flatMap(literals);
  if ('regex' in rule) return [];
  return Object.values<string>(rule);
}

function matches(rule: MatchLogic, name: string): boolean {
  if ('or' in rule) return rule.or.some((part) => matches(part, name));
  if ('and' in rule) return rule.and.every((part) => matches(part, name));
  if ('equals' in rule) return name === rule.equals;
  if ('starts_with' in rule) return name.startsWith(rule.starts_with);
  if ('ends_with' in rule) return name.endsWith(rule.ends_with);
  if ('contains' in rule) return name.includes(rule.contains);
  return new RegExp(rule.regex).test(name);
}

function scheduleOf(entry: ModelInfo): readonly PriceStep[] {
  const steps = Array.isArray(entry.prices) ? entry.prices : [{ prices: entry.prices }];
  return steps.flatMap(({ constraint, prices }) => {
    // A price for hours of the day has no place in our table; the model stays unpriced.
    if (constraint !== undefined && !('start_date' in constraint)) return [];
    const price = priceOf(prices);
    const effectiveFrom =
      constraint === undefined ? BEGINNING : new Date(`${constraint.start_date}T00:00:00Z`);
    return price === undefined ? [] : [{ effectiveFrom, price }];
  });
}

/** Output that is billed by what it shows (image, audio, video) cannot be told apart in our usage. */
const APART = ['output_image_mtok', 'output_audio_mtok', 'output_video_mtok'];

/** Undefined: the package knows no price that our token classes can carry. */
function priceOf(prices: ModelPrice): Price | undefined {
  if (prices.input_mtok === undefined || APART.some((name) => prices[name] !== undefined)) return undefined;
  const starts = Object.values(prices).flatMap((amount) =>
    typeof amount === 'object' ? amount.tiers.map((tier) => tier.start) : [],
  );
  const longContext = [...new Set(starts)]
    .sort((a, b) => a - b)
    .map((above): LongContextOf<bigint> => ({ above, ...ratesAt(prices, above) }));
  const searches = prices.web_searches_kcount;
  return {
    ...ratesAt(prices, -1),
    ...(longContext.length > 0 && { longContext }),
    // Fetches cost their tokens only: platform.claude.com/docs/en/agents-and-tools/tool-use/web-fetch-tool
    ...(typeof searches === 'number' && {
      serverTools: { web_search_requests: nanos(searches), web_fetch_requests: 0n },
    }),
  };
}

/** The rates of a request that has passed the tiers up to `start`. */
function ratesAt(prices: ModelPrice, start: number): RatesOf<bigint> {
  const rate = (name: string): bigint | undefined => {
    const amount = prices[name];
    if (amount === undefined || typeof amount === 'number')
      return amount === undefined ? undefined : nanos(amount);
    return nanos(tierAt(amount, start));
  };
  const input = rate('input_mtok');
  const cacheWrite5m = rate('cache_write_5m_mtok') ?? rate('cache_write_mtok');
  // Where the data has no price for the hour: twice the input, platform.claude.com/docs/en/build-with-claude/prompt-caching#pricing
  const cacheWrite1h =
    rate('cache_write_1h_mtok') ??
    (cacheWrite5m !== undefined && input !== undefined ? 2n * input : undefined);
  return defined({
    input,
    cacheRead: rate('cache_read_mtok'),
    cacheWrite5m,
    cacheWrite1h,
    output: rate('output_mtok'),
  });
}

function tierAt(amount: TieredPrices, start: number): number {
  return amount.tiers.filter((tier) => tier.start <= start).reduce((_, tier) => tier.price, amount.base);
}

function defined(rates: { readonly [C in keyof RatesOf<bigint>]: bigint | undefined }): RatesOf<bigint> {
  return Object.fromEntries(Object.entries(rates).filter(([, rate]) => rate !== undefined));
}

/** Dollars of the package's data (at most five decimals) in whole nano-dollars. */
function nanos(dollars: number): bigint {
  return BigInt(Math.round(dollars * 1e9));
}
