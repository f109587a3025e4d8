import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { readEnv } from '../../src/config/env.ts';
import { makeAdminToken } from '../../src/admin/make-admin-token.ts';
import { type Relay, startRelay } from '../../src/main.ts';
import { createEmptyDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { query } from '../support/query.ts';
import { admin, ADMIN_TOKEN, Rehearsal } from '../support/relay.ts';

const guess = (): string => `ra_${randomBytes(32).toString('base64url')}`;

const ENCRYPTION_KEY = `k1:${randomBytes(32).toString('base64')}`;

describe('the administration', () => {
  let rehearsal: Rehearsal;

  beforeAll(async () => {
    rehearsal = await Rehearsal.start();
  });
  afterAll(() => rehearsal.close());

  async function ask(headers: Record<string, string>, method = 'GET', path = '/admin/v1/keys') {
    const response = await fetch(`${rehearsal.url}${path}`, { method, headers });
    return { status: response.status, headers: response.headers, text: await response.text() };
  }

  it('gives one fixed 401 for every token that is not one', async () => {
    const answers = await Promise.all(
      [
        {},
        { authorization: '' },
        { authorization: 'Bearer' },
        { authorization: `Bearer ${guess()}` },
        { authorization: `Bearer ${ADMIN_TOKEN.slice(0, -1)}` },
        { authorization: `Bearer ${'x'.repeat(4_000)}` },
        { authorization: `Basic ${Buffer.from(`admin:${ADMIN_TOKEN}`).toString('base64')}` },
        { authorization: ADMIN_TOKEN },
        { 'x-api-key': ADMIN_TOKEN },
      ].map((headers) => ask(headers as Record<string, string>)),
    );
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(answers[0]).toMatchObject({ status: 401 });
    expect(answers[0]?.headers.get('www-authenticate')).toMatch(/^Bearer/);
    expect(answers[0]?.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  });

  it('does not take a token from the query', async () => {
    expect((await ask({}, 'GET', `/admin/v1/keys?token=${ADMIN_TOKEN}&key=${ADMIN_TOKEN}`)).status).toBe(401);
  });

  it('answers the same, or 404, whatever the spelling of the path (B12)', async () => {
    const paths = [
      '/%61dmin/v1/keys',
      '/admin/v1/%6beys',
      '/ADMIN/v1/keys',
      '//admin/v1/keys',
      '/admin//v1/keys',
      '/admin/v1/keys/',
      '/admin/v1/keys.',
      '/admin/v1/..;/v1/keys',
      '/x/../admin/v1/keys',
      '/admin/v1/keys;a=b',
    ];
    for (const path of paths) {
      const { status, text } = await ask({}, 'GET', path);
      expect([path, status === 401 || status === 404]).toEqual([path, true]);
      expect(text).not.toContain('items');
    }
    expect((await ask({}, 'GET', '/nowhere?key=canary-secret')).text).not.toContain('canary');
  });

  it('grants nothing to other origins, and refuses what browsers send for other sites (S8)', async () => {
    const token = { authorization: `Bearer ${ADMIN_TOKEN}` };
    for (const foreign of [
      { origin: 'http://evil.example' },
      { origin: 'null' },
      { 'sec-fetch-site': 'cross-site' },
    ] as Record<string, string>[]) {
      for (const method of ['POST', 'PATCH', 'DELETE']) {
        const { status, headers } = await ask({ ...token, ...foreign }, method, '/admin/v1/keys/x');
        expect([method, status]).toEqual([method, method === 'POST' ? 404 : 403]);
        expect([...headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
      }
      expect((await ask({ ...token, ...foreign }, 'POST')).status).toBe(403);
      const preflight = await ask({ ...foreign, 'access-control-request-method': 'POST' }, 'OPTIONS');
      expect([...preflight.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
    }
    const own = await ask({ ...token, origin: rehearsal.url }, 'POST');
    expect(own.status).toBe(400);
  });

  it('knows a token that was made beside it, and says who acted', async () => {
    const token = await makeAdminToken(rehearsal.databaseUrl, 'night shift');
    const until = Date.now() + 25_000;
    let made = await admin(rehearsal.url, 'POST', '/keys', { name: 'by night' }, token);
    while (made.status === 401 && Date.now() < until) {
      made = await admin(rehearsal.url, 'POST', '/keys', { name: 'by night' }, token);
    }
    expect(made.status).toBe(201);
    const { body } = (await admin(rehearsal.url, 'GET', '/audit?limit=2')) as { body: { items: unknown[] } };
    const containing = (text: string): unknown => expect.stringContaining(text);
    expect(body.items).toMatchObject([
      { action: 'key.create', actor: containing('night shift') },
      {
        action: 'admin-token.create',
        actor: 'npm run admin-token',
        before: null,
        after: { name: 'night shift' },
      },
    ]);
    expect(JSON.stringify(body.items)).not.toContain(token.slice(3));
    const stored = await rehearsal.sql<{ digest: Buffer }>('select digest from admin_tokens');
    expect(stored.every(({ digest }) => digest.length === 32)).toBe(true);
  });

  it('stops honouring a revoked token', async () => {
    const token = await makeAdminToken(rehearsal.databaseUrl, 'leaver');
    const status = async (): Promise<number> =>
      (await admin(rehearsal.url, 'GET', '/keys', undefined, token)).status;
    const becomes = async (wanted: number): Promise<void> => {
      const until = Date.now() + 25_000;
      while ((await status()) !== wanted && Date.now() < until)
        await new Promise((resolve) => setTimeout(resolve, 50));
      expect(await status()).toBe(wanted);
    };
    await becomes(200);
    await rehearsal.sql(`update admin_tokens set revoked_at = now() where name = 'leaver'`);
    await rehearsal.sql('update config_version set version = version + 1');
    await becomes(401);
  });

  it('slows guesses down, without locking out who is at work (A12)', async () => {
    await admin(rehearsal.url, 'GET', '/keys');
    const statuses: number[] = [];
    for (let i = 0; i < 300; i += 1) {
      statuses.push((await admin(rehearsal.url, 'GET', '/keys', undefined, guess())).status);
    }
    expect(new Set(statuses)).toEqual(new Set([401, 429]));
    expect(statuses.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => 401));
    const last = await admin(rehearsal.url, 'GET', '/keys', undefined, guess());
    if (last.status === 429) expect(Number(last.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await admin(rehearsal.url, 'GET', '/keys')).status).toBe(200);
  });
});

describe('the first administrator', () => {
  const boot = (url: string, token?: string, port = 0): Promise<Relay> =>
    startRelay(
      readEnv({
        DATABASE_URL: url,
        PORT: String(port),
        RELAY_ENCRYPTION_KEYS: ENCRYPTION_KEY,
        RELAY_LOG_LEVEL: 'silent',
        RELAY_DRAIN_ACCEPT_SECONDS: '0',
        ...(token === undefined ? {} : { RELAY_ADMIN_TOKEN: token }),
      }),
    );
  const status = async ({ url }: Relay, token: string): Promise<number> =>
    (await admin(url, 'GET', '/keys', undefined, token)).status;

  it('is made exactly once by two replicas that boot on an empty database (P9)', async () => {
    const database = await createEmptyDatabase();
    const relays = await Promise.all([boot(database.url), boot(database.url)]);
    const tokens = relays
      .map(({ firstAdminToken }) => firstAdminToken)
      .filter((token) => token !== undefined);
    expect(tokens).toHaveLength(1);
    expect(tokens[0]).toMatch(/^ra_[A-Za-z0-9_-]{43}$/);
    const until = Date.now() + 25_000;
    for (const relay of relays) {
      while ((await status(relay, tokens[0] as string)) !== 200 && Date.now() < until) continue;
      expect(await status(relay, tokens[0] as string)).toBe(200);
    }
    expect(await query(database.url, 'select 1 from admin_tokens')).toHaveLength(1);
    expect(await query(database.url, `select 1 from audit_log where resource = 'admin-token'`)).toHaveLength(
      1,
    );

    const later = await boot(database.url);
    expect(later.firstAdminToken).toBeUndefined();
    await Promise.all([...relays, later].map((relay) => relay.close()));
    await database.drop();
  });

  it('is the token of the environment, which takes the place of the one there before', async () => {
    const database = await createEmptyDatabase();
    const [old, fresh] = [guess(), guess()];
    const relays = await Promise.all([boot(database.url, old), boot(database.url, old)]);
    expect(relays.map(({ firstAdminToken }) => firstAdminToken)).toEqual([undefined, undefined]);
    expect(await Promise.all(relays.map((relay) => status(relay, old)))).toEqual([200, 200]);
    await Promise.all(relays.map((relay) => relay.close()));

    const next = await boot(database.url, fresh);
    expect([await status(next, old), await status(next, fresh)]).toEqual([401, 200]);
    await next.close();
    const back = await boot(database.url, old);
    expect([await status(back, old), await status(back, fresh)]).toEqual([200, 401]);
    await back.close();
    await database.drop();
  });

  it('is made once the port is taken, and before anybody is answered there', async () => {
    const database = await createEmptyDatabase();
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const port = (other.address() as AddressInfo).port;
    await expect(boot(database.url, undefined, port)).rejects.toThrow('EADDRINUSE');
    expect(await query(database.url, 'select 1 from admin_tokens')).toEqual([]);
    await new Promise((resolve) => other.close(resolve));

    const relay = await boot(database.url, undefined, port);
    expect(await status(relay, relay.firstAdminToken ?? '')).toBe(200);
    await relay.close();

    // The next one has another in its environment, and has to wait before it can write that down.
    const token = guess();
    const holder = new pg.Client(database.url);
    await holder.connect();
    await holder.query('begin');
    await holder.query('update config_version set version = version');
    const starting = boot(database.url, token, port);
    const early = eventually(() =>
      fetch(`${relay.url}/admin/v1/keys`, { headers: { authorization: `Bearer ${token}` } }),
    );
    await eventually(async () => {
      const blocked = await query(
        database.url,
        `select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
      );
      expect(blocked).toHaveLength(1);
    });
    expect(await Promise.race([early, sleep(300, 'waits')])).toBe('waits');
    await holder.query('rollback');
    await holder.end();
    expect((await early).status).toBe(200);
    await (await starting).close();
    await database.drop();
  });
});
