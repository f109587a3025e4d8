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
  it.each([
    ['seconds', 'retry-after=7', '7'],
    ['seconds beyond an hour', 'retry-after=1000000000', '3600'],
    ['a negative wait', 'retry-after=-1', '1'],
    ['a date two hours ahead', `retry-after="${soon}"`, '3600'],
    ['a date in the past', 'retry-after="Sun, 06 Nov 1994 08:49:37 GMT"', '1'],
    ['junk', 'retry-after=soon', '10'],
    ['nothing', '', '10'],
    ['milliseconds', 'retry-after-ms=2500 retry-after=900', '3'],
    [
      'a spent window',
      `unified=rejected unified-reset=${Math.ceil(Date.now() / 1000) + 90}`,
      '(8[5-9]|9[01])',
    ],
  ])('with %s passes with a wait of ours', async (_, directives, wait) => {
    const place = await placeFor('Claude SSE');
    const { answer, sent, row } = await askOnce(place, `status=429 should-retry=true ${directives}`);
    expect(answer.status).toBe(429);
    expect(answer.headers['retry-after']).toMatch(new RegExp(`^${wait}$`));
    expect(answer.headers).not.toHaveProperty('retry-after-ms');
    expect(answer.headers).not.toHaveProperty('x-should-retry');
    expect(answer.body.equals(sent ?? Buffer.alloc(0))).toBe(true);
    expect(row).toMatchObject({ outcome: 'failed', status: 429 });
    await expectServed(place);
  });

  it.each([
    ['a minute’s quota', 'quota=PerMinute retry-delay=3.5s', /^4$/],
    [
      'a day’s quota, whatever RetryInfo says',
      'quota=PerDay retry-delay=2s',
      /^(3600|[1-9]\d{0,2}|[12]\d{3}|3[0-5]\d\d)$/,
    ],
  ])('for %s passes with a wait of ours: Gemini', async (_, directives, wait) => {
    const place = await placeFor('Gemini SSE');
    const { answer, sent, row } = await askOnce(place, `status=429 ${directives}`);
    expect(answer.status).toBe(429);
    expect(answer.headers['retry-after']).toMatch(wait);
    expect(answer.body.equals(sent ?? Buffer.alloc(0))).toBe(true);
    expect(row).toMatchObject({ outcome: 'failed', status: 429 });
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
    const cleared = await admin(rehearsal.url, 'POST', `/accounts/${place.account}/clear-cooldowns`);
    expect(cleared.status).toBeLessThan(300);
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
  it.each<[Way, string, string]>([
    ['Claude SSE', '402', 'status=402'],
    ['Claude JSON', '403', 'status=403'],
    ['Claude SSE', 'low credit', 'status=400 reason=low-credit'],
    ['Claude JSON', 'an organisation on hold', 'status=400 reason=org-hold'],
    ['Claude SSE', 'a disabled organisation', 'status=403 reason=org-disabled'],
    ['Gemini SSE', '403', 'status=403'],
    ['Gemini array', 'a suspended consumer', 'status=403 reason=CONSUMER_SUSPENDED'],
    ['Gemini JSON', 'a failed precondition', 'status=400 reason=FAILED_PRECONDITION'],
  ])('is a 503 that says so, and is not parked: %s, %s', async (way, _, directives) => {
    const place = await placeFor(way);
    const { answer, row } = await askOnce(place, directives);
    expectNeedsPerson(place, answer);
    expect(row).toMatchObject({ outcome: 'failed', cost_nanos: '0' });
    expect(row['status']).toBe(Number(/status=(\d+)/.exec(directives)?.[1]));
    expect(await cooldownsOf(place)).toEqual([]);
    await expectServed(place);
  });

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
