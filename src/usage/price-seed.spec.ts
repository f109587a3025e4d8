import { readFileSync } from 'node:fs';
import { additions, BEGINNING, inForce, SEED_SOURCE, type PriceStep, seedPrices } from './price-seed.ts';

const seed = await seedPrices();
const scheduleOf = (kind: string, model: string): readonly PriceStep[] =>
  seed.filter((row) => row.kind === kind && row.model === model).flatMap((row) => row.schedule);
const usd = (dollars: number): bigint => BigInt(Math.round(dollars * 1_000_000)) * 1_000n;

describe('the seed of prices', () => {
  it('names the version of the package that is installed', () => {
    const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
      packages: Record<string, { version: string }>;
    };
    expect(SEED_SOURCE).toBe(
      `genai-prices@${lock.packages['node_modules/@pydantic/genai-prices']!.version}#2`,
    );
  });

  it('has each name once', () => {
    const names = seed.map((row) => `${row.kind} ${row.model}`);
    expect(new Set(names).size).toBe(names.length);
    expect(seed.length).toBeGreaterThan(60);
  });

  it('carries Claude’s cache writes of both ages, its long context and its searches', () => {
    expect(scheduleOf('claude', 'claude-sonnet-4-5')).toEqual([
      {
        effectiveFrom: BEGINNING,
        price: {
          input: usd(3),
          cacheRead: usd(0.3),
          cacheWrite5m: usd(3.75),
          cacheWrite1h: usd(6),
          output: usd(15),
          longContext: [
            {
              above: 200_000,
              input: usd(6),
              cacheRead: usd(0.6),
              cacheWrite5m: usd(7.5),
              cacheWrite1h: usd(12),
              output: usd(22.5),
            },
          ],
          serverTools: { web_search_requests: usd(10), web_fetch_requests: 0n },
        },
      },
    ]);
  });

  it('carries a price that changed on a date as two rows', () => {
    const rows = scheduleOf('claude', 'claude-sonnet-4-6');
    expect(rows.map((step) => step.effectiveFrom.toISOString())).toEqual([
      '1970-01-01T00:00:00.000Z',
      '2026-03-13T00:00:00.000Z',
    ]);
    expect(inForce(rows, new Date('2026-03-12T23:59:59Z'))!.price.longContext).toHaveLength(1);
    expect(inForce(rows, new Date('2026-03-13T00:00:00Z'))!.price.longContext).toBeUndefined();
  });

  it('carries Gemini’s cached and long-context prices, and no Claude on Vertex', () => {
    expect(scheduleOf('gemini', 'gemini-2.5-pro')[0]!.price).toEqual({
      input: usd(1.25),
      cacheRead: usd(0.125),
      output: usd(10),
      longContext: [{ above: 200_000, input: usd(2.5), cacheRead: usd(0.25), output: usd(15) }],
    });
    expect(scheduleOf('gemini', 'gemini-2.5-flash')[0]!.price).toEqual({
      input: usd(0.3),
      cacheRead: usd(0.03),
      output: usd(2.5),
    });
    expect(seed.filter((row) => row.kind === 'gemini' && row.model.includes('claude'))).toEqual([]);
  });

  it('bills every account that reaches Anthropic by its list, and those like OpenAI by OpenAI’s', () => {
    for (const kind of ['claude-console', 'ccr']) {
      expect(scheduleOf(kind, 'claude-sonnet-4-5')).toEqual(scheduleOf('claude', 'claude-sonnet-4-5'));
    }
    expect(scheduleOf('openai-compatible', 'gpt-4o')[0]!.price).toMatchObject({
      input: usd(2.5),
      cacheRead: usd(1.25),
      output: usd(10),
    });
    expect(scheduleOf('openai-compatible', 'text-embedding-3-small')[0]!.price).toEqual({ input: usd(0.02) });
  });

  it('has Bedrock’s models for the geographies and the global profile, whose prices differ', () => {
    const rate = (model: string) => scheduleOf('bedrock', model)[0]?.price.input;
    expect(rate('anthropic.claude-sonnet-4-5')).toBe(usd(3.3));
    expect(rate('global.anthropic.claude-sonnet-4-5')).toBe(usd(3));
    expect(rate('anthropic.claude-3-5-haiku')).toBe(usd(0.8));
    expect(rate('amazon.nova-lite')).toBe(usd(0.06));
    expect(scheduleOf('bedrock', 'anthropic.claude-opus-4-5')[0]!.price).toEqual({
      input: usd(5.5),
      cacheRead: usd(0.55),
      cacheWrite5m: usd(6.875),
      cacheWrite1h: usd(11),
      output: usd(27.5),
    });
  });

  it('leaves out what our token classes cannot carry: images out, and models without a price', () => {
    expect(scheduleOf('gemini', 'gemini-2.5-flash-image')).toEqual([]);
    expect(scheduleOf('gemini', 'gemma-3')).toEqual([]);
  });

  it('holds no dated name of a model that it has by its plain name', () => {
    expect(scheduleOf('claude', 'claude-opus-4')).toHaveLength(1);
    expect(scheduleOf('claude', 'claude-opus-4-20250514')).toEqual([]);
    expect(scheduleOf('claude', 'claude-sonnet-4-2025')).toEqual([]);
  });
});

describe('a later version of the seed', () => {
  const at = (day: number): Date => new Date(Date.UTC(2027, 0, day));
  const row = (effectiveFrom: Date, input: bigint): PriceStep => ({ effectiveFrom, price: { input } });

  it('adds the whole schedule of a new model', () => {
    const wanted = [row(BEGINNING, 1n), row(at(20), 2n)];
    expect(additions(wanted, [], at(5))).toEqual(wanted);
  });

  it('adds nothing where nothing changed', () => {
    const rows = [row(BEGINNING, 1n), row(at(20), 2n)];
    expect(additions(rows, rows, at(5))).toEqual([]);
    expect(additions([row(BEGINNING, 2n)], rows, at(25))).toEqual([]);
  });

  it('takes effect from now on and never earlier', () => {
    expect(additions([row(BEGINNING, 3n)], [row(BEGINNING, 1n)], at(5))).toEqual([row(at(5), 3n)]);
  });

  it('takes back a coming change that the vendor cancelled', () => {
    const existing = [row(BEGINNING, 1n), row(at(20), 2n)];
    expect(additions([row(BEGINNING, 1n)], existing, at(5))).toEqual([row(at(20), 1n)]);
  });
});
