import { DataSource } from 'typeorm';
import { pino } from 'pino';
import { ConfigChanges } from '../../src/database/config-changes.ts';
import { dataSourceOptions } from '../../src/database/data-source.ts';
import { SEED_SOURCE, seedPrices } from '../../src/usage/price-seed.ts';
import { PriceSeeder } from '../../src/usage/price-seeder.ts';
import { BY_ADMINISTRATOR, PricesRepository } from '../../src/usage/prices.repository.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { query } from '../support/query.ts';

let database: TestDatabase;
const sources: DataSource[] = [];

/** One replica's seeder, on connections of its own. */
async function seeder(): Promise<PriceSeeder> {
  const source = await new DataSource(dataSourceOptions(database.url)).initialize();
  sources.push(source);
  return new PriceSeeder(new PricesRepository(source), new ConfigChanges(source), pino({ level: 'silent' }));
}

const count = async (text: string): Promise<number> =>
  (await query<{ n: number }>(database.url, `select count(*)::int as n from ${text}`))[0]!.n;

beforeEach(async () => {
  database = await createDatabase();
});

afterEach(async () => {
  await Promise.all(sources.splice(0).map((source) => source.destroy()));
  await database.drop();
});

const steps = (await seedPrices()).reduce((sum, model) => sum + model.schedule.length, 0);

describe('seeding prices', () => {
  it('writes every list price once, however often the relay boots', async () => {
    const replica = await seeder();
    await replica.onModuleInit();
    await replica.onModuleInit();
    await (await seeder()).onModuleInit();
    expect(await count('prices')).toBe(steps);
    expect(await count(`prices where source = '${SEED_SOURCE}'`)).toBe(steps);
    expect(await count("audit_log where resource = 'prices'")).toBe(1);
  });

  it('writes them once when replicas boot together, and each of them comes up', async () => {
    const replicas = await Promise.all([seeder(), seeder(), seeder()]);
    await Promise.all(replicas.map((replica) => replica.onModuleInit()));
    expect(await count('prices')).toBe(steps);
    expect(await count("audit_log where resource = 'prices'")).toBe(1);
    expect(await count('config_version where version = 2')).toBe(1);
  });

  it('keeps money as whole nano-dollars', async () => {
    await (await seeder()).onModuleInit();
    const [row] = await query<{ price: unknown }>(
      database.url,
      "select price from prices where model = 'claude-haiku-4-5'",
    );
    expect(row!.price).toEqual({
      input: '1000000000',
      cacheRead: '100000000',
      cacheWrite5m: '1250000000',
      cacheWrite1h: '2000000000',
      output: '5000000000',
      serverTools: { web_search_requests: '10000000000', web_fetch_requests: '0' },
    });
  });

  it('of a later version writes only what changed, from now on, and leaves an administrator’s price alone', async () => {
    const replica = await seeder();
    await replica.onModuleInit();
    await query(
      database.url,
      `insert into prices (version, kind, model, effective_from, price, source)
       values (2, '*', 'claude-haiku-4-5', now(), '{"input":"7"}', '${BY_ADMINISTRATOR}')`,
    );
    // As if an older version had been applied, with another price for one model.
    await query(
      database.url,
      "update settings set name = 'prices.seed.genai-prices@0.0.1' where name like 'prices.seed.%'",
    );
    await query(
      database.url,
      `update prices set source = 'genai-prices@0.0.1',
         price = case when kind = 'claude' and model = 'claude-opus-5' then '{"input":"1"}' else price end
       where source <> '${BY_ADMINISTRATOR}'`,
    );
    const before = new Date();
    await (await seeder()).onModuleInit();
    const added = await query<{ model: string; effective_from: Date }>(
      database.url,
      `select model, effective_from from prices where source = '${SEED_SOURCE}'`,
    );
    expect(added.map((row) => row.model)).toEqual(['claude-opus-5']);
    expect(added[0]!.effective_from.getTime()).toBeGreaterThanOrEqual(before.getTime());
    expect(await count('prices')).toBe(steps + 2);
    expect(await count(`prices where source = '${BY_ADMINISTRATOR}'`)).toBe(1);
  });
});
