import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { v7 } from 'uuid';
import { MIGRATIONS } from '../src/database/data-source.ts';
import { startEmbeddedPostgres } from '../src/database/embedded-postgres.ts';
import { HotPool } from '../src/database/hot-pool.ts';
import { revertMigrations, runMigrations } from '../src/database/migrate.ts';
import type { Queryable, Statement } from '../src/database/statement.ts';
import { admissionsOf, type Cost, least, pairs, pidOf, type Shape } from './pair-cost.ts';

/**
 * `node dist/bench/pairs.js` after `npm run build && npx tsc -p tsconfig.bench.json`: what an admission and its
 * settlement cost, by batch size, beside the same with the functions of the first release, in turns and in one run.
 */
const KEYS = 1_000;
const ACCOUNTS = 10;
const TEAMS = 20;
const PARENTS = 4;
/** Of the functions as they were before calls had several attempts and keys had limits. */
const FIRST_OF_LIMITS = 1763800003000;

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '1' },
    batches: { type: 'string', default: '1,8,64' },
  },
});

const ends: (() => Promise<unknown>)[] = [];

async function database(admin: string, name: string): Promise<string> {
  const client = new pg.Client(admin);
  await client.connect();
  await client.query(`create database ${name}`);
  await client.end();
  const url = new URL(admin);
  url.pathname = `/${name}`;
  await runMigrations(url.href);
  return url.href;
}

async function shape(
  url: string,
  name: string,
  first: boolean,
  limits: string,
  teams: number,
  bound = false,
): Promise<Shape> {
  const sql = new pg.Client(url);
  await sql.connect();
  const ids = (length: number): string[] => Array.from({ length }, () => v7()).sort();
  const [keys, accounts] = [ids(KEYS), ids(ACCOUNTS)];
  await sql.query(
    `insert into accounts (id, version, name, kind, max_concurrency)
       select id, 1, id::text, 'claude', 100000 from unnest($1::uuid[]) id`,
    [accounts],
  );
  await sql.query(
    `insert into api_keys (id, version, name, scopes, models)
       select id, 1, 'key', '{claude}', '{*}' from unnest($1::uuid[]) id`,
    [keys],
  );
  if (limits !== '') await sql.query(`update api_keys set ${limits} where id = any ($1::uuid[])`, [keys]);
  if (teams > 0) {
    const [parents, children] = [ids(PARENTS), ids(teams)];
    await sql.query(
      `insert into teams (id, version, name, path) select id, 1, id::text, array[id] from unnest($1::uuid[]) id`,
      [parents],
    );
    await sql.query(
      `insert into teams (id, version, name, parent_id, path)
         select id, 1, id::text, parent, array[id, parent]
           from unnest($1::uuid[]) with ordinality c (id, pos)
           join unnest($2::uuid[]) with ordinality p (parent, at) on c.pos % $3 = p.at - 1`,
      [children, parents, PARENTS],
    );
    await sql.query(`update teams set ${limits}`);
    await sql.query(
      `update api_keys q set team_id = c.id
         from unnest($1::uuid[]) with ordinality k (id, pos), unnest($2::uuid[]) with ordinality c (id, at)
         where q.id = k.id and k.pos % $3 = c.at - 1`,
      [keys, children, teams],
    );
  }
  if (bound) {
    await sql.query(
      `insert into bindings (id, account_id, used_at, lives)
         select k.id, ($2::uuid[])[1 + k.pos % cardinality($2::uuid[])], now(), 86400
           from unnest($1::uuid[]) with ordinality k (id, pos)`,
      [keys, accounts],
    );
  }
  // The first release summed nothing beside its ledger; what that costs is another matter.
  await sql.query('drop trigger if exists ledger_inserted on ledger');
  await sql.query('vacuum analyze');
  await sql.end();

  const pool = (synchronousCommit: 'on' | 'off'): Queryable => {
    const made = new HotPool({ url, name: 'bench', max: 1, synchronousCommit });
    ends.push(() => made.close());
    return first ? asFirstReleased(made) : made;
  };
  const [hot, ledger] = [pool('off'), pool('on')];
  const [admitting, settling] = [await pidOf(hot), await pidOf(ledger)];
  const candidates = accounts.map((accountId) => ({ accountId, version: 1n, tier: 0, modelFamily: 'model' }));
  const admissions = await admissionsOf(hot, v7());
  return { name, admissions, ledger, admitting, settling, keys, candidates, bound };
}

/** The statements without what the first release did not have. */
function asFirstReleased(db: Queryable): Queryable {
  return {
    run<Row>(statement: Statement, values: readonly unknown[]): Promise<Row[]> {
      if (statement.name === 'settle') {
        const text = statement.text.replace(/, \$31::.*\)/, ')');
        return db.run<Row>({ name: 'settle', text }, values.slice(0, 30));
      }
      if (statement.name !== 'admit') return db.run<Row>(statement, values);
      const text = `select admit($1::uuid, $2::integer, $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::integer[],
        $8::integer[], $9::integer[], $10::bigint[], $11::integer[], $12::integer[], $13::uuid[], $14::integer[],
        $15::bigint[], $16::boolean[], $17::integer[], $18::text[], $19::text[]) as answer`;
      const kept = values.filter((_, at) => at !== 12).slice(0, 19);
      return db.run<Row>({ name: 'admit', text }, kept);
    },
  };
}

const dataDir = mkdtempSync(join(tmpdir(), 'llm-relay-pairs-'));
try {
  const postgres = await startEmbeddedPostgres({ dataDir });
  ends.push(() => postgres.stop());
  const old = await database(postgres.url, 'first_release');
  const stamp = (name: string): number => Number(/\d{13}$/.exec(name)?.[0]);
  await revertMigrations(old, MIGRATIONS.filter(({ name }) => stamp(name) >= FIRST_OF_LIMITS).length);
  const limits = `requests_per_minute = 1000000, tokens_per_minute = 1000000000000, max_concurrency = 1000,
    budget_day_nanos = 1000000000000000, budget_month_nanos = 1000000000000000`;
  const shapes = [
    await shape(old, 'the first release', true, '', 0),
    await shape(await database(postgres.url, 'plain'), 'without limits', false, '', 0),
    await shape(await database(postgres.url, 'bound'), 'without, sessions bound', false, '', 0, true),
    await shape(await database(postgres.url, 'limited'), 'every limit of a key', false, limits, 0),
    await shape(await database(postgres.url, 'teams'), 'of a team and its parent, too', false, limits, TEAMS),
  ];
  for (const batch of options.batches.split(',').map(Number)) {
    const costs = new Map<Shape, Cost[]>(shapes.map((one) => [one, []]));
    for (const one of shapes) await pairs(one, batch, 300);
    for (let round = 0; round < Number(options.rounds); round += 1) {
      for (const one of shapes)
        costs.get(one)?.push(await pairs(one, batch, Number(options.seconds) * 1_000));
    }
    const totals = (one: Shape): number => least(costs.get(one) ?? [], ({ admit, settle }) => admit + settle);
    const basis = totals(shapes[0] as Shape);
    console.log(`\nbatches of ${batch}, µs a pair:   wall    admit   settle  × first release (processor)`);
    for (const one of shapes) {
      const list = costs.get(one) ?? [];
      const figures = [({ wall }: Cost) => wall, ({ admit }: Cost) => admit, ({ settle }: Cost) => settle];
      const told = figures.map((figure) => least(list, figure).toFixed(0).padStart(8)).join(' ');
      console.log(`  ${one.name.padEnd(28)} ${told} ${(totals(one) / basis).toFixed(2).padStart(8)}`);
    }
  }
} finally {
  for (const end of ends.reverse()) await end();
  rmSync(dataDir, { recursive: true, force: true });
}
