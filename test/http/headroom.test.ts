import { asking, onlyRow, send, type Way } from '../support/asking.ts';
import { eventually } from '../support/eventually.ts';
import { type CreatedAccount, Rehearsal } from '../support/relay.ts';

/** What vendors say is left of their limits: others are asked before the account meets its 429. */

let rehearsal: Rehearsal;

beforeAll(async () => {
  rehearsal = await Rehearsal.start({ RELAY_METRICS_TOKEN: 'quite-a-long-m3trics-word' });
  await rehearsal.addReplica();
});
afterEach(async () => {
  await rehearsal.quiet();
  rehearsal.simulator.clear();
});
afterAll(() => rehearsal.close());

interface Pool {
  readonly key: string;
  readonly first: CreatedAccount;
  readonly second: CreatedAccount;
}

/** The first is always chosen first. */
async function poolOf(make: (more: object) => Promise<CreatedAccount>): Promise<Pool> {
  const [first, second] = [await make({ priority: 1 }), await make({ priority: 2 })];
  const { key } = await rehearsal.key({ accounts: [first.id, second.id] });
  return { key, first, second };
}

async function served({ key }: Pool, way: Way, text: string, replica = 0): Promise<unknown> {
  const one = asking(way, key, text);
  const answer = await send(rehearsal.replica(replica).url, one);
  expect([answer.status, answer.broken]).toEqual([200, false]);
  return (await onlyRow(rehearsal, one))['account_id'];
}

const headers = (told: Readonly<Record<string, string>>): string =>
  `[[sim: ${Object.entries(told)
    .map(([name, value]) => `header.${name}=${value}`)
    .join(' ')}]]`;
const inAMinute = (): string => new Date(Date.now() + 60_000).toISOString();
const claude = (more: object): Promise<CreatedAccount> => rehearsal.claudeAccount(more);
const openai = (more: object): Promise<CreatedAccount> => rehearsal.openaiAccount(more);

const CASES: readonly (readonly [
  string,
  Way,
  (more: object) => Promise<CreatedAccount>,
  () => Readonly<Record<string, string>>,
])[] = [
  [
    'Anthropic says that one request is left',
    'Claude SSE',
    claude,
    () => ({
      'anthropic-ratelimit-requests-limit': '50',
      'anthropic-ratelimit-requests-remaining': '1',
      'anthropic-ratelimit-requests-reset': inAMinute(),
    }),
  ],
  [
    'a subscription has used 99 % of its window',
    'Claude JSON',
    claude,
    () => ({
      'anthropic-ratelimit-unified-status': 'allowed_warning',
      'anthropic-ratelimit-unified-5h-utilization': '0.99',
      'anthropic-ratelimit-unified-5h-reset': String(Math.ceil(Date.now() / 1000) + 60),
    }),
  ],
  [
    'OpenAI says that hardly any tokens are left',
    'OpenAI SSE',
    openai,
    () => ({
      'x-ratelimit-limit-tokens': '150000',
      'x-ratelimit-remaining-tokens': '1500',
      'x-ratelimit-reset-tokens': '1m0s',
    }),
  ],
];

it.each(CASES)('on every replica when %s', async (_, way, make, told) => {
  const pool = await poolOf(make);
  expect(await served(pool, way, headers(told()))).toBe(pool.first.id);
  await eventually(async () => {
    const rows = await rehearsal.sql('select from account_state where id = $1 and lean is not null', [
      pool.first.id,
    ]);
    expect(rows).toHaveLength(1);
  });
  for (const replica of [0, 1]) expect(await served(pool, way, 'hello', replica)).toBe(pool.second.id);
});

it('and not while there is plenty', async () => {
  const pool = await poolOf(claude);
  const told = {
    'anthropic-ratelimit-requests-limit': '50',
    'anthropic-ratelimit-requests-remaining': '40',
    'anthropic-ratelimit-requests-reset': inAMinute(),
  };
  expect(await served(pool, 'Claude SSE', headers(told))).toBe(pool.first.id);
  expect(await served(pool, 'Claude SSE', 'hello', 1)).toBe(pool.first.id);
});

it('but nothing is refused when all of them are near their limits', async () => {
  const pool = await poolOf(claude);
  const told = headers({ 'anthropic-ratelimit-requests-remaining': '0' });
  expect(await served(pool, 'Claude SSE', told)).toBe(pool.first.id);
  await eventually(async () => expect(await served(pool, 'Claude SSE', told)).toBe(pool.second.id));
  await eventually(async () => {
    const rows = await rehearsal.sql('select from account_state where id = any($1) and lean is not null', [
      [pool.first.id, pool.second.id],
    ]);
    expect(rows).toHaveLength(2);
  });
  expect(await served(pool, 'Claude SSE', 'hello')).toBe(pool.first.id);
  const metrics = await fetch(`${rehearsal.url}/metrics`, {
    headers: { authorization: 'Bearer quite-a-long-m3trics-word' },
  });
  expect(await metrics.text()).toMatch(/relay_accounts_lean_total\{kind="claude"\} [1-9]/);
});
