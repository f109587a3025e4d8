import { randomUUID } from 'node:crypto';
import { asking, isClaude, onlyRow, send, type Way } from '../support/asking.ts';
import { eventually } from '../support/eventually.ts';
import { admin, Rehearsal } from '../support/relay.ts';
import type { WireAnswer } from '../support/wire-client.ts';

/**
 * Answers that are refusals, by who is at fault: the caller's own mistake and the vendor's trouble reach the client as
 * they came, an account's trouble never as a 401 or 403, which clients take for their own key.
 */

let rehearsal: Rehearsal;

beforeAll(async () => {
  rehearsal = await Rehearsal.start();
});
afterEach(() => rehearsal.quiet());
afterAll(() => rehearsal.close());

interface Place {
  readonly way: Way;
  readonly account: string;
  readonly credential: string;
  readonly key: string;
}

/** An account of its own, and a key that reaches no other. */
async function placeFor(way: Way, credentials?: Readonly<Record<string, string>>): Promise<Place> {
  const credential = `${isClaude(way) ? 'sk-ant-sim' : 'gemini-sim'}-${randomUUID()}`;
  const more = { credentials: credentials ?? { apiKey: credential } };
  const account = (
    isClaude(way) ? await rehearsal.claudeAccount(more) : await rehearsal.geminiAccount(more)
  ) as { id: string };
  const { key } = (await rehearsal.key({ accounts: [account.id] })) as { key: string };
  return { way, account: account.id, credential: credentials?.['accessToken'] ?? credential, key };
}

async function ask(place: Place, directives = '') {
  const marker = randomUUID();
  const one = asking(place.way, place.key, `Hello. [[sim: marker=${marker} ${directives}]]`);
  const answer = await send(rehearsal.url, one);
  return { answer, one, sent: rehearsal.simulator.answered(marker) };
}

/** The call's answer and its only row. */
async function askOnce(place: Place, directives: string) {
  const { answer, one, sent } = await ask(place, directives);
  return { answer, sent, row: await onlyRow(rehearsal, one) };
}

const callsTo = (place: Place): number =>
  rehearsal.simulator.requests.filter(({ credential }) => credential === place.credential).length;

const cooldownsOf = (place: Place) =>
  rehearsal.sql('select reason, evidence, until::text from cooldowns where account_id = $1', [place.account]);

/** How long the account's only cooldown lasts, in seconds, and for what. */
async function restOf(place: Place): Promise<{ seconds: number; reason: string; family: string | null }> {
  const rows = await rehearsal.sql<{ seconds: number; reason: string; family: string | null }>(
    `select extract(epoch from until - created_at)::float8 as seconds, reason, model_family as family
       from cooldowns where account_id = $1`,
    [place.account],
  );
  expect(rows).toHaveLength(1);
  return rows[0]!;
}

/** A place whose only account rests: nothing goes upstream, and the client is told when to come again. */
async function expectCooling(place: Place): Promise<void> {
  const seen = callsTo(place);
  const { answer } = await ask(place);
  expect(answer.status).toBe(429);
  expect(Number(answer.headers['retry-after'])).toBeGreaterThanOrEqual(1);
  expect(Number(answer.headers['retry-after'])).toBeLessThanOrEqual(3_600);
  expect(callsTo(place)).toBe(seen);
}

async function clearCooldowns(place: Place): Promise<void> {
  const cleared = await admin(rehearsal.url, 'POST', `/accounts/${place.account}/clear-cooldowns`);
  expect(cleared.status).toBeLessThan(300);
}

async function expectServed(place: Place): Promise<void> {
  expect((await ask(place)).answer).toMatchObject({ status: 200, broken: false });
}

/** Our 503: an account needs a person, so that nobody should ask again. */
function expectNeedsPerson({ way }: Place, answer: WireAnswer): void {
  expect(answer.status).toBe(503);
  expect(answer.headers['x-should-retry']).toBe('false');
  expect(answer.headers).not.toHaveProperty('retry-after');
  const message = expect.stringMatching(/need(s)? attention/) as string;
  const body = JSON.parse(answer.text) as unknown;
  if (isClaude(way)) {
    expect(body).toMatchObject({ type: 'error', error: { type: 'overloaded_error', message } });
  } else {
    expect(body).toEqual({ error: { code: 503, message, status: 'UNAVAILABLE' } });
  }
}

const BOTH: readonly Way[] = ['Claude SSE', 'Claude JSON', 'Gemini SSE', 'Gemini array', 'Gemini JSON'];

describe('the vendor’s own trouble', () => {
  it.each(BOTH)('passes as it came, and is booked as failed: %s', async (way) => {
    const place = await placeFor(way);
    const statuses = isClaude(way) ? [500, 503, 504, 529] : [500, 503, 504];
    for (const status of statuses) {
      const { answer, sent, row } = await askOnce(place, `status=${status}`);
      expect(answer).toMatchObject({ status, broken: false });
      expect(answer.body.equals(sent ?? Buffer.alloc(0))).toBe(true);
      expect(answer.headers['content-type']).toMatch(/^application\/json/);
      expect(row).toMatchObject({ outcome: 'failed', status, cost_nanos: '0' });
      expect(row['reason']).toMatch(/^(server-error|overloaded|timeout)$/);
    }
    expect(await cooldownsOf(place)).toEqual([]);
    await expectServed(place);
  });

  it('is a 502 of ours where it is not in the vendor’s format', async () => {
    const place = await placeFor('Claude JSON');
    const { answer, row } = await askOnce(place, 'html status=503');
    expect(answer.status).toBe(502);
    expect(JSON.parse(answer.text)).toMatchObject({ type: 'error', error: { type: 'api_error' } });
    expect(row).toMatchObject({ outcome: 'failed', status: 503 });
  });

  it('is told with a wait that nobody sleeps a day for', async () => {
    const place = await placeFor('Claude SSE');
    const { answer } = await ask(place, 'status=529 retry-after=1000000000 retry-after-ms=99999999999');
    expect(answer.headers['retry-after']).toBe('3600');
    expect(answer.headers).not.toHaveProperty('retry-after-ms');
  });
});

describe('a 429 of the upstream', () => {
  const soon = new Date(Date.now() + 7_200_000).toUTCString();
  const hour = 3_600;
  const day = 86_400;
  it.each<[what: string, directives: string, wait: string, rest: [number, number]]>([
    ['seconds', 'retry-after=7', '7', [7, 7.1]],
    ['seconds beyond an hour', 'retry-after=1000000000', '3600', [hour, hour + 31]],
    ['a negative wait', 'retry-after=-1', '1', [1, 1.1]],
    ['a date two hours ahead', `retry-after="${soon}"`, '3600', [hour, hour + 31]],
    ['a date in the past', 'retry-after="Sun, 06 Nov 1994 08:49:37 GMT"', '1', [1, 1.1]],
    ['junk', 'retry-after=soon', '10', [10, 10.1]],
    ['nothing', '', '10', [10, 10.1]],
    ['milliseconds', 'retry-after-ms=2500 retry-after=900', '3', [2.5, 2.6]],
    [
      'a spent window',
      `unified=rejected unified-reset=${Math.ceil(Date.now() / 1000) + 90}`,
      // A tenth on top at most, so that an account's callers do not come back at once.
      '([1-9]\\d|100)',
      [10, 101],
    ],
    [
      'a window spent for 20 days',
      `unified=rejected unified-reset=${Math.ceil(Date.now() / 1000) + 20 * day}`,
      '3600',
      [20 * day - 60, 20 * day + 31],
    ],
    [
      'a window that ends in a hundred years',
      `unified=rejected unified-reset=${Math.ceil(Date.now() / 1000) + 36_500 * day}`,
      '3600',
      [32 * day, 32 * day + 31],
    ],
  ])('with %s passes with a wait of ours, and its account rests: U6', async (_, directives, wait, rest) => {
    const place = await placeFor('Claude SSE');
    const { answer, sent, row } = await askOnce(place, `status=429 should-retry=true ${directives}`);
    expect(answer.status).toBe(429);
    expect(answer.headers['retry-after']).toMatch(new RegExp(`^${wait}$`));
    expect(answer.headers).not.toHaveProperty('retry-after-ms');
    expect(answer.headers).not.toHaveProperty('x-should-retry');
    expect(answer.body.equals(sent ?? Buffer.alloc(0))).toBe(true);
    expect(row).toMatchObject({ outcome: 'failed', status: 429 });
    const { seconds, reason, family } = await restOf(place);
    expect(seconds).toBeGreaterThanOrEqual(rest[0]);
    expect(seconds).toBeLessThanOrEqual(rest[1]);
    // A spent subscription is spent for every model; a rate is a model's.
    const spent = directives.startsWith('unified');
    expect({ reason, family }).toEqual(
      spent ? { reason: 'quota', family: null } : { reason: 'rate-limit', family: 'claude-sonnet-5' },
    );
    await expectCooling(place);
    await clearCooldowns(place);
    await expectServed(place);
  });

  it.each([
    ['a minute’s quota', 'quota=PerMinute retry-delay=3.5s', /^4$/, 4],
    [
      'a day’s quota, whatever RetryInfo says',
      'quota=PerDay retry-delay=2s',
      /^(3600|[1-9]\d{0,2}|[12]\d{3}|3[0-5]\d\d)$/,
      25 * 3_600 + 31,
    ],
  ])(
    'for %s passes with a wait of ours, and its account rests: Gemini',
    async (_, directives, wait, most) => {
      const place = await placeFor('Gemini SSE');
      const { answer, sent, row } = await askOnce(place, `status=429 ${directives}`);
      expect(answer.status).toBe(429);
      expect(answer.headers['retry-after']).toMatch(wait);
      expect(answer.body.equals(sent ?? Buffer.alloc(0))).toBe(true);
      expect(row).toMatchObject({ outcome: 'failed', status: 429 });
      const { seconds, family } = await restOf(place);
      expect(seconds).toBeGreaterThan(1);
      expect(seconds).toBeLessThanOrEqual(most);
      expect(family).toBe('gemini-2.5-flash');
      await expectCooling(place);
    },
  );

  it('is one cooldown, however many calls meet it at once, and ends by itself', async () => {
    const place = await placeFor('Claude JSON');
    const stop = rehearsal.simulator.plan({
      credential: place.credential,
      fault: { status: 429, retryAfter: '1', latency: 100 },
    });
    const answers = await Promise.all(Array.from({ length: 12 }, () => ask(place)));
    stop();
    expect(answers.map(({ answer }) => answer.status)).toEqual(Array(12).fill(429));
    await restOf(place);
    await eventually(() => expectServed(place));
  });
});

describe('a credential that the upstream refuses', () => {
  it.each(BOTH)('parks its account until there is a new one: %s', async (way) => {
    const place = await placeFor(way);
    rehearsal.simulator.revoke(place.credential);
    const { answer, row } = await askOnce(place, '');
    expectNeedsPerson(place, answer);
    const reason = isClaude(way) ? 'authentication' : 'api-key-invalid';
    expect(row).toMatchObject({
      outcome: 'failed',
      status: isClaude(way) ? 401 : 400,
      reason,
      cost_nanos: '0',
    });
    const cooldown = { reason: 'credential-refused', evidence: reason, until: 'infinity' };
    expect(await cooldownsOf(place)).toEqual([cooldown]);
    const seen = callsTo(place);
    expect(seen).toBe(1);

    const second = await ask(place);
    expectNeedsPerson(place, second.answer);
    expect(callsTo(place)).toBe(seen);
    expect(
      await rehearsal.sql('select from ledger where client_request_id = $1', [second.one.clientRequestId]),
    ).toEqual([]);
    const shown = await admin(rehearsal.url, 'GET', `/accounts/${place.account}`);
    expect(shown.body).toMatchObject({ enabled: true, health: { cooldowns: [{ evidence: reason }] } });

    const apiKey = `${isClaude(way) ? 'sk-ant-sim' : 'gemini-sim'}-${randomUUID()}`;
    await admin(rehearsal.url, 'PATCH', `/accounts/${place.account}`, { credentials: { apiKey } });
    await expectServed(place);
  });

  it('serves again once an administrator clears the cooldown', async () => {
    const place = await placeFor('Claude SSE');
    rehearsal.simulator.plan({ credential: place.credential, times: 1, fault: { status: 401 } });
    expectNeedsPerson(place, (await ask(place)).answer);
    expectNeedsPerson(place, (await ask(place)).answer);
    await clearCooldowns(place);
    await expectServed(place);
    expect(callsTo(place)).toBe(2);
  });

  it('is renewed once where it can be, and the call goes on as if nothing had been', async () => {
    const { accessToken, refreshToken } = rehearsal.simulator.oauth.grant();
    const tokenUrl = `${rehearsal.simulator.url}/oauth/token`;
    const place = await placeFor('Claude SSE', { accessToken, refreshToken, tokenUrl });
    await expectServed(place);
    rehearsal.simulator.oauth.expire(accessToken);
    const before = rehearsal.simulator.oauth.refreshes;
    const { answer, row } = await askOnce(place, '');
    expect(answer).toMatchObject({ status: 200, broken: false });
    expect(answer.headers['x-relay-attempts']).toBe('1');
    expect(row).toMatchObject({ outcome: 'completed', status: 200, attempt: 1 });
    expect(rehearsal.simulator.oauth.refreshes - before).toBe(1);
    expect(await cooldownsOf(place)).toEqual([]);
  });

  it('parks its account when the renewed one is refused as well', async () => {
    const { accessToken, refreshToken } = rehearsal.simulator.oauth.grant();
    const tokenUrl = `${rehearsal.simulator.url}/oauth/token`;
    const place = await placeFor('Claude JSON', { accessToken, refreshToken, tokenUrl });
    const stop = rehearsal.simulator.plan({ path: '/v1/messages', fault: { status: 401 } });
    const { answer, row } = await askOnce(place, '');
    stop();
    expectNeedsPerson(place, answer);
    expect(row).toMatchObject({ outcome: 'failed', status: 401, reason: 'authentication' });
    expect(await cooldownsOf(place)).toMatchObject([{ reason: 'credential-refused', until: 'infinity' }]);
  });
});

describe('an account that a person must mend', () => {
  it.each<[Way, string, string, string]>([
    ['Claude SSE', '402', 'status=402', 'billing'],
    ['Claude SSE', 'low credit', 'status=400 reason=low-credit', 'low-credit'],
    ['Claude JSON', 'an organisation on hold', 'status=400 reason=org-hold', 'on-hold'],
    ['Claude SSE', 'a disabled organisation', 'status=403 reason=org-disabled', 'oauth-refused'],
    ['Gemini array', 'a suspended consumer', 'status=403 reason=CONSUMER_SUSPENDED', 'consumer-suspended'],
  ])(
    'is a 503 that says so, and is parked until one comes: %s, %s: U7',
    async (way, _, directives, reason) => {
      const place = await placeFor(way);
      const { answer, row } = await askOnce(place, directives);
      expectNeedsPerson(place, answer);
      const status = Number(/status=(\d+)/.exec(directives)?.[1]);
      expect(row).toMatchObject({ outcome: 'failed', status, reason, cost_nanos: '0' });
      const cooldown = { reason, evidence: `HTTP ${status}`, until: 'infinity' };
      expect(await cooldownsOf(place)).toEqual([cooldown]);

      expectNeedsPerson(place, (await ask(place)).answer);
      expect(callsTo(place)).toBe(1);
      await clearCooldowns(place);
      await expectServed(place);
    },
  );

  it.each<[Way, string, string, string, string]>([
    ['Claude JSON', '403', 'status=403', 'permission', 'claude-sonnet-5'],
    ['Gemini SSE', '403', 'status=403', 'permission-denied', 'gemini-2.5-flash'],
    [
      'Gemini JSON',
      'a failed precondition',
      'status=400 reason=FAILED_PRECONDITION',
      'failed-precondition',
      'gemini-2.5-flash',
    ],
  ])(
    'for what may be a model’s alone is a 503 that says so; that model rests, and is tried again: %s, %s',
    async (way, _, directives, reason, family) => {
      const place = await placeFor(way);
      const { answer, row } = await askOnce(place, directives);
      expectNeedsPerson(place, answer);
      expect(row).toMatchObject({ outcome: 'failed', reason, cost_nanos: '0' });
      const rest = await restOf(place);
      expect(rest).toMatchObject({ reason, family });
      expect(rest.seconds).toBeGreaterThanOrEqual(3_600);
      expect(rest.seconds).toBeLessThanOrEqual(3_631);
      await expectCooling(place);
      expect(callsTo(place)).toBe(1);
    },
  );

  it.each<[Way, string]>([
    ['Claude SSE', 'a spend limit that ends by itself'],
    ['Gemini JSON', 'the edge’s own 403'],
  ])('or time will, is a 503 with a wait: %s, %s', async (way, what) => {
    const place = await placeFor(way);
    const directives = what.startsWith('a spend') ? 'status=400 reason=spend-limit' : 'html status=403';
    const { answer } = await askOnce(place, directives);
    expect(answer.status).toBe(503);
    expect(Number(answer.headers['retry-after'])).toBeGreaterThanOrEqual(1);
    expect(Number(answer.headers['retry-after'])).toBeLessThanOrEqual(3_600);
    expect(answer.headers).not.toHaveProperty('x-should-retry');
    await expectCooling(place);
  });
});

describe('the caller’s own mistake', () => {
  it.each(BOTH)('passes as it came and harms no account: %s', async (way) => {
    const place = await placeFor(way);
    for (const status of isClaude(way) ? [400, 404, 409, 413, 422] : [400, 404, 413]) {
      const { answer, sent, row } = await askOnce(place, `status=${status} message="as it came"`);
      expect(answer).toMatchObject({ status, broken: false });
      expect(answer.body.equals(sent ?? Buffer.alloc(0))).toBe(true);
      expect(answer.text).toContain('as it came');
      expect(row).toMatchObject({ outcome: 'refused', status, reason: 'client', cost_nanos: '0' });
    }
    expect(await cooldownsOf(place)).toEqual([]);
    await expectServed(place);
  });

  it('of a size that the edge refuses without JSON is a 413 of ours', async () => {
    const place = await placeFor('Claude SSE');
    const { answer, row } = await askOnce(place, 'html status=413');
    expect(answer.status).toBe(413);
    expect(JSON.parse(answer.text)).toMatchObject({ type: 'error', error: { type: 'request_too_large' } });
    expect(row).toMatchObject({ outcome: 'refused', status: 413 });
  });

  it('does not harm the account when its words imitate an account’s trouble', async () => {
    const place = await placeFor('Claude SSE');
    const message = 'messages: Your credit balance is too low to access the Anthropic API';
    const { answer } = await askOnce(place, `status=400 message="${message}"`);
    expect(answer.status).toBe(400);
    await eventually(() => expectServed(place));
  });
});
