import { type Asking, asking, onlyRow, rowsOf, send, type Way } from '../support/asking.ts';
import { eventually } from '../support/eventually.ts';
import { type CreatedAccount, Rehearsal } from '../support/relay.ts';
import type { WireAnswer } from '../support/wire-client.ts';

/** Calls that find their places taken: they wait, come in by turns, and are gone without a trace when their client is. */

let rehearsal: Rehearsal;
let account: CreatedAccount;

async function alone(variables: Record<string, string> = {}): Promise<void> {
  rehearsal = await Rehearsal.start({ RELAY_METRICS_TOKEN: 'quite-a-long-m3trics-word', ...variables });
  account = await rehearsal.claudeAccount({ maxConcurrency: 1 });
}

async function over(): Promise<void> {
  await rehearsal.quiet();
  expect(await metric('relay_queue_waiting')).toBe(0);
  rehearsal.simulator.clear();
}

async function metric(name: string, replica = 0): Promise<number> {
  const answer = await fetch(`${rehearsal.replica(replica).url}/metrics`, {
    headers: { authorization: 'Bearer quite-a-long-m3trics-word' },
  });
  const line = (await answer.text()).split('\n').find((one) => one.startsWith(`${name} `));
  return Number(line?.split(' ')[1]);
}

const inLine = (count: number, replica = 0): Promise<void> =>
  eventually(async () => expect(await metric('relay_queue_waiting', replica)).toBe(count));

/** A stream that is open until its client is told to go; the place is its own meanwhile. */
async function holding(key: string, way: Way = 'Claude SSE', replica = 0): Promise<() => void> {
  const { path, headers, body } = asking(way, key, '[[sim: hang=2]]');
  const controller = new AbortController();
  const { signal } = controller;
  const url = rehearsal.replica(replica).url + path;
  const response = await fetch(url, { method: 'POST', headers, body, signal });
  expect(response.status).toBe(200);
  return () => controller.abort();
}

interface Sent extends Asking {
  readonly answer: Promise<WireAnswer>;
  readonly leave: () => void;
}

function sent(key: string, text: string, way: Way = 'Claude SSE', replica = 0): Sent {
  const one = asking(way, key, text);
  const controller = new AbortController();
  const answer = send(rehearsal.replica(replica).url, one, { signal: controller.signal });
  answer.catch(() => undefined);
  return { ...one, answer, leave: () => controller.abort() };
}

const statusOf = async ({ answer }: Sent): Promise<number> => (await answer).status;

describe('a call whose account is full', () => {
  beforeAll(() => alone());
  afterEach(over);
  afterAll(() => rehearsal.close());

  it('waits and is answered, in the order in which the calls of its key came', async () => {
    const { key } = await rehearsal.key({ accounts: [account.id] });
    const release = await holding(key);
    const calls: Sent[] = [];
    for (let at = 0; at < 5; at += 1) {
      calls.push(sent(key, `[[sim: marker=turn${at}]]`));
      await inLine(at + 1);
    }
    expect(rehearsal.simulator.requests).toHaveLength(1);
    release();
    expect(await Promise.all(calls.map(statusOf))).toEqual([200, 200, 200, 200, 200]);
    const markers = rehearsal.simulator.requests.flatMap(
      ({ body }) => /marker=(\w+)/.exec(String(body))?.[1],
    );
    expect(markers.filter(Boolean)).toEqual(['turn0', 'turn1', 'turn2', 'turn3', 'turn4']);
    expect(rehearsal.simulator.maxInFlight()).toBe(1);
    expect(await metric('relay_queue_wait_seconds_count{end="admitted"}')).toBe(5);
  });

  it('notices what is free on another replica, though its own gives nothing back', async () => {
    await rehearsal.addReplica();
    const { key } = await rehearsal.key({ accounts: [account.id] });
    const release = await holding(key, 'Claude SSE', 1);
    const one = sent(key, 'hello');
    await inLine(1);
    release();
    expect(await statusOf(one)).toBe(200);
  });

  it('is not sent, and has no row, when its client leaves while it waits', async () => {
    const { key } = await rehearsal.key({ accounts: [account.id] });
    const release = await holding(key);
    const [gone, stays] = [sent(key, 'gone'), sent(key, 'stays')];
    await inLine(2);
    gone.leave();
    await inLine(1);
    expect(await metric('relay_queue_wait_seconds_count{end="left"}')).toBe(1);
    release();
    expect(await statusOf(stays)).toBe(200);
    await rehearsal.quiet();
    expect(rehearsal.simulator.requests).toHaveLength(2);
    const rows = await rehearsal.sql('select 1 from ledger where client_request_id = $1', [
      gone.clientRequestId,
    ]);
    expect(rows).toEqual([]);
  });

  it('does not keep one waiting that has an account with room', async () => {
    const other = await rehearsal.claudeAccount();
    const { key } = await rehearsal.key({ accounts: [account.id] });
    const wide = await rehearsal.key({ accounts: [account.id, other.id] });
    const release = await holding(key);
    const waits = sent(key, 'waits');
    await inLine(1);
    const free = sent(wide.key, 'free');
    expect(await statusOf(free)).toBe(200);
    expect(await onlyRow(rehearsal, free)).toMatchObject({ account_id: other.id });
    release();
    expect(await statusOf(waits)).toBe(200);
  });

  it('goes on to its next account when that has room again, and the client sees one answer', async () => {
    const bad = await rehearsal.claudeAccount({ priority: 1 });
    const { key } = await rehearsal.key({ accounts: [account.id, bad.id] });
    const alsoFull = await rehearsal.key({ accounts: [account.id] });
    const release = await holding(alsoFull.key);
    const one = sent(key, '[[sim: status=429 retry-after=30 times=1]] on');
    await inLine(1);
    release();
    const answer = await one.answer;
    expect(answer.status).toBe(200);
    expect(answer.headers['x-relay-attempts']).toBe('2');
    expect(await rowsOf(rehearsal, one, 2)).toMatchObject([
      { account_id: bad.id, outcome: 'failed' },
      { account_id: account.id, outcome: 'completed' },
    ]);
    await rehearsal.recover();
  });
});

describe('a call that waits too long', () => {
  beforeAll(() => alone({ RELAY_QUEUE_TIMEOUT_MS: '300' }));
  afterEach(over);
  afterAll(() => rehearsal.close());

  const ERRORS: readonly (readonly [Way, RegExp])[] = [
    ['Claude JSON', /^\{"type":"error","error":\{"type":"rate_limit_error","message":"[^"]+"\}/],
    ['Gemini JSON', /^\{"error":\{"code":429,"message":"[^"]+","status":"RESOURCE_EXHAUSTED"/],
    ['OpenAI JSON', /^\{"error":\{"message":"[^"]+","type":"[^"]+"/],
  ];

  it.each(ERRORS)('is told to come again, in its own dialect: %s', async (way, shape) => {
    const { key } = await rehearsal.key({ limits: { concurrency: 1 } });
    for (const make of [rehearsal.geminiAccount(), rehearsal.openaiAccount()]) await make;
    const release = await holding(key);
    const answer = await sent(key, 'hello', way).answer;
    release();
    expect(answer.status).toBe(429);
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    expect(Buffer.from(answer.body).toString()).toMatch(shape);
    expect(rehearsal.simulator.requests).toHaveLength(1);
  });
});

describe('a call that comes when as many wait as may', () => {
  beforeAll(() => alone({ RELAY_QUEUE_TIMEOUT_MS: '60000', RELAY_QUEUE_MAX: '4' }));
  afterEach(over);
  afterAll(() => rehearsal.close());

  it('is refused at once, though the others go on waiting', async () => {
    const { key } = await rehearsal.key({ accounts: [account.id] });
    const release = await holding(key);
    // A quarter of them for one key.
    const first = sent(key, 'one');
    await inLine(1);
    const { status, headers } = await sent(key, 'two').answer;
    expect(status).toBe(429);
    expect(Number(headers['retry-after'])).toBeGreaterThan(0);
    await inLine(1);
    release();
    expect(await statusOf(first)).toBe(200);
  });
});

describe('a relay that is told to leave while calls wait', () => {
  beforeAll(() => alone());
  afterAll(() => rehearsal.close());

  it('lets them in as places come back, and cuts them at the limit of its drain', async () => {
    const { key } = await rehearsal.key({ accounts: [account.id] });
    const relay = await rehearsal.addReplica({ RELAY_DRAIN_SECONDS: '2', RELAY_QUEUE_TIMEOUT_MS: '60000' });
    const release = await holding(key);
    const [first, second] = [
      sent(key, '[[sim: hang=2]]', 'Claude SSE', 1),
      sent(key, 'second', 'Claude SSE', 1),
    ];
    await inLine(2, 1);
    const closing = relay.close();
    release();
    await closing;
    const answers = await Promise.all([first.answer, second.answer]);
    const [told] = answers.filter(({ status }) => status !== 200);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 503]);
    expect(told?.headers['retry-after']).toBe('1');
    expect(Buffer.from(told?.body ?? '').toString()).toContain('shutting down');
    await rehearsal.quiet();
    expect(await rehearsal.rowCount()).toBe(2);
  });
});
