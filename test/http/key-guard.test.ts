import { randomBytes } from 'node:crypto';
import { createConnection } from 'node:net';
import { admin, Rehearsal, type Variables } from '../support/relay.ts';

interface Key {
  readonly id: string;
  readonly key: string;
}

let rehearsal: Rehearsal;
const newKey = (more: object = {}): Promise<Key> => rehearsal.key(more);
const stranger = (): string => `rk_${randomBytes(32).toString('base64url')}`;

async function ask(headers: Record<string, string>, path = '/v1/models', url = rehearsal.url) {
  const response = await fetch(`${url}${path}`, { headers });
  return { status: response.status, text: await response.text() };
}
const status = async (key: string, url = rehearsal.url): Promise<number> =>
  (await ask({ 'x-api-key': key }, '/v1/models', url)).status;

/** Raw, because clients of fetch can send neither the same header twice nor odd bytes. */
function raw(...lines: string[]): Promise<string> {
  const { hostname, port } = new URL(rehearsal.url);
  return new Promise((resolve, reject) => {
    const socket = createConnection(Number(port), hostname);
    let text = '';
    socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk));
    socket.once('error', reject).once('close', () => resolve(text));
    socket.write(
      `GET /v1/models HTTP/1.1\r\nhost: relay\r\nconnection: close\r\n${lines.join('\r\n')}\r\n\r\n`,
    );
  });
}

async function becomes(look: () => Promise<number>, wanted: number, withinMs: number): Promise<number> {
  const began = performance.now();
  let seen = await look();
  while (seen !== wanted && performance.now() - began < withinMs) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    seen = await look();
  }
  expect(seen).toBe(wanted);
  return performance.now() - began;
}

beforeAll(async () => {
  rehearsal = await Rehearsal.start();
  await rehearsal.claudeAccount();
});
afterAll(() => rehearsal.close());

describe('a request without a usable key (A1)', () => {
  it('gets one fixed answer, whatever is wrong with the key', async () => {
    const [disabled, revoked, expired] = await Promise.all([
      newKey({ enabled: false }),
      newKey(),
      newKey({ expiresAt: '2001-01-01T00:00:00Z' }),
    ]);
    await admin(rehearsal.url, 'POST', `/keys/${revoked.id}/revoke`);
    const wrong = [
      '',
      'x',
      'rk_',
      stranger(),
      stranger().slice(0, -1),
      `${stranger()}A`,
      disabled.key,
      revoked.key,
      expired.key,
      "' or 1=1; drop table api_keys; --",
      'x'.repeat(201),
      'ra_'.padEnd(46, 'a'),
    ];
    const withoutId = (text: string): string => text.replace(/req[\w-]+|[0-9a-f]{8}-[0-9a-f-]{27}/g, 'ID');
    const answers = await Promise.all([
      ask({}),
      ...wrong.flatMap((key) => [ask({ 'x-api-key': key }), ask({ authorization: `Bearer ${key}` })]),
    ]);
    expect(new Set(answers.map(({ status: code, text }) => `${code} ${withoutId(text)}`)).size).toBe(1);
    expect(answers[0]?.status).toBe(401);
    expect(answers[0]?.text).not.toMatch(/api_keys|digest|sha|revoked|expired|disabled/i);
    for (const key of wrong.filter((one) => one.length > 4)) {
      for (const { text } of answers) expect(text).not.toContain(key);
    }
  });

  it('gets it in the dialect of the door', async () => {
    const anthropic = await ask({ 'x-api-key': 'x', 'anthropic-version': '2023-06-01' });
    expect(JSON.parse(anthropic.text)).toMatchObject({
      type: 'error',
      error: { type: 'authentication_error' },
    });
    const gemini = await ask({ 'x-goog-api-key': 'x' }, '/v1beta/models');
    expect(JSON.parse(gemini.text)).toMatchObject({ error: { code: 401, status: 'UNAUTHENTICATED' } });
    const openai = await ask({ authorization: 'Bearer x' });
    expect(JSON.parse(openai.text)).toMatchObject({ error: { code: 'invalid_api_key' } });
  });

  it('is refused with 401 or 431, and no longer kept, when the key has a megabyte', async () => {
    expect(await raw(`x-api-key: ${'x'.repeat(1_000_000)}`).catch(() => 'HTTP/1.1 431')).toMatch(
      /^HTTP\/1\.1 4(01|31)/,
    );
    expect(await raw(`x-api-key: ${'x'.repeat(8_000)}`)).toMatch(/^HTTP\/1\.1 401/);
  });

  it('is told about AWS_BEARER_TOKEN_BEDROCK when it is signed for AWS', async () => {
    for (const authorization of ['AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/x, Signature=abc', 'Basic dTpw']) {
      const answer = await ask({ authorization });
      expect(answer.status).toBe(401);
      expect(answer.text).toContain('AWS_BEARER_TOKEN_BEDROCK');
      expect(answer.text).not.toContain('AKIAEXAMPLE');
    }
  });

  it('never opens a door with an administrator’s token, nor the administration with a key', async () => {
    const { key } = await newKey();
    for (const path of ['/keys', '/accounts', '/audit']) {
      const answer = await admin(rehearsal.url, 'GET', path, undefined, key);
      expect(answer.status).toBe(401);
    }
    for (const header of ['x-api-key', 'x-goog-api-key', 'api-key']) {
      const response = await fetch(`${rehearsal.url}/admin/v1/keys`, { headers: { [header]: key } });
      expect(response.status).toBe(401);
    }
  });
});

describe('where the key may stand (A3)', () => {
  it('is the same everywhere, with the same restrictions', async () => {
    const { key } = await newKey({ scopes: ['openai'] });
    const aliases: [Record<string, string>, string][] = [
      [{ authorization: `Bearer ${key}` }, ''],
      [{ 'x-api-key': key }, ''],
      [{ 'x-goog-api-key': key }, ''],
      [{ 'api-key': key }, ''],
      [{}, `?key=${key}`],
      [{ 'x-api-key': key, authorization: `bearer ${key}` }, `?key=${key}`],
    ];
    for (const [headers, query] of aliases) {
      expect((await ask(headers, `/v1/models${query}`)).status).toBe(200);
      expect((await ask(headers, `/v1beta/models${query}`)).status).toBe(403);
      expect(
        (await ask({ ...headers, 'anthropic-version': '2023-06-01' }, `/v1/models${query}`)).status,
      ).toBe(403);
      expect((await ask(headers, `/claude/v1/models${query}`)).status).toBe(403);
      expect((await ask(headers, `/me${query}`)).status).toBe(200);
    }
  });

  it('is the same at the bedrock door', async () => {
    const [open, closed] = await Promise.all([
      newKey({ scopes: ['bedrock'] }),
      newKey({ scopes: ['openai'] }),
    ]);
    const body = JSON.stringify({ messages: [] });
    for (const [{ key }, wanted] of [
      [open, 404],
      [closed, 403],
    ] as const) {
      for (const [headers, query] of [
        [{ authorization: `Bearer ${key}` }, ''],
        [{ 'x-api-key': key }, ''],
        [{ 'x-goog-api-key': key }, ''],
        [{ 'api-key': key }, ''],
        [{}, `?key=${key}`],
      ] as [Record<string, string>, string][]) {
        for (const prefix of ['', '/bedrock']) {
          const path = `${prefix}/model/nobody-knows-it/converse${query}`;
          const { status: seen } = await fetch(rehearsal.url + path, { method: 'POST', headers, body });
          expect([path, seen]).toEqual([path, wanted]);
        }
      }
    }
  });

  it('must not hold two different keys, even two that would both do', async () => {
    const [one, other] = await Promise.all([newKey(), newKey()]);
    expect((await ask({ 'x-api-key': one.key, authorization: `Bearer ${other.key}` })).status).toBe(401);
    expect((await ask({ 'x-goog-api-key': one.key }, `/v1/models?key=${other.key}`)).status).toBe(401);
    expect(await raw(`authorization: Bearer ${one.key}`, `authorization: Bearer ${other.key}`)).toMatch(
      /^HTTP\/1\.1 401/,
    );
    expect(await raw(`x-api-key: ${one.key}`, `x-api-key: ${one.key}`)).toMatch(/^HTTP\/1\.1 200/);
  });

  it('is looked at for each request of a connection (C6)', async () => {
    const [may, mayNot] = await Promise.all([newKey(), newKey({ scopes: [] })]);
    const statuses: number[] = [];
    for (let i = 0; i < 10; i += 1) statuses.push(await status(i % 2 === 0 ? may.key : mayNot.key));
    expect(statuses).toEqual([200, 403, 200, 403, 200, 403, 200, 403, 200, 403]);
  });
});

describe('a key row that is not whole (A10)', () => {
  it.each([
    ['scopes', `'{NULL}'`],
    ['models', `'{NULL}'`],
    ['tags', `'{NULL}'`],
    ['accounts', `'{NULL}'`],
    ['expires_at', `'infinity'`],
    ['name', `''`],
  ])('opens nothing with %s = %s', async (column, value) => {
    const { id, key } = await newKey();
    await rehearsal.sql(`update api_keys set ${column} = ${value} where id = $1`, [id]);
    expect(await status(key)).toBe(401);
  });

  it('opens nothing without its settings, or for a digest that is another’s prefix', async () => {
    const { id, key } = await newKey();
    await rehearsal.sql('update api_keys set deleted_at = now() where id = $1', [id]);
    expect(await status(key)).toBe(401);
  });
});

describe('the clock of a replica (A6)', () => {
  it.each([1, -1])('may be off by %d hour: expiry follows the database', async (hours) => {
    const inHalfAnHour = new Date(Date.now() + 1_800_000).toISOString();
    const halfAnHourAgo = new Date(Date.now() - 1_800_000).toISOString();
    const [alive, expired] = await Promise.all([
      newKey({ expiresAt: inHalfAnHour }),
      newKey({ expiresAt: halfAnHourAgo }),
    ]);
    const realNow = Date.now;
    Date.now = () => realNow() + hours * 3_600_000;
    try {
      expect([await status(alive.key), await status(expired.key)]).toEqual([200, 401]);
    } finally {
      Date.now = realNow;
    }
  });
});

describe('changes of a key elsewhere (A4, A5)', () => {
  it.each<[string, Variables]>([
    ['by the hint', {}],
    ['by the poll alone', { RELAY_CONFIG_HINT: 'off' }],
  ])('are known within 2.5 s %s', async (_, variables) => {
    const there = await rehearsal.addReplica(variables);
    const { id, key } = await newKey();
    const made = await becomes(() => status(key, there.url), 200, 25_000);
    await admin(rehearsal.url, 'POST', `/keys/${id}/revoke`);
    const revoked = await becomes(() => status(key, there.url), 401, 25_000);
    // The promise is 2.5 s on a machine that is not shared; ten times that is only a sign of life.
    expect(Math.max(made, revoked)).toBeLessThan(25_000);
    expect(await status(key, rehearsal.url)).toBe(401);
  });

  it('let a key work soon that was tried before it existed', async () => {
    const there = await rehearsal.addReplica({ RELAY_CONFIG_HINT: 'off' });
    const secret = stranger();
    expect(await status(secret, there.url)).toBe(401);
    const { id } = await newKey();
    await rehearsal.sql(
      `insert into api_key_secrets (digest, key_id, prefix) values (sha256(convert_to($1, 'UTF8')), $2, 'rk_test12')`,
      [secret, id],
    );
    await becomes(() => status(secret, there.url), 200, 25_000);
  });
});
