import { Controller, Get, Module, UseGuards } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { Express } from 'express';
import { randomUUID } from 'node:crypto';
import { AccessCheck } from '../../src/access/access.check.ts';
import { AccessModule } from '../../src/access/access.module.ts';
import { Enforces, Policy } from '../../src/access/route-policy.ts';
import { eventually } from '../support/eventually.ts';
import { askRaw, type HeaderLines, type RawAnswer } from '../support/raw-http.ts';
import { admin, ADMIN_TOKEN, type CreatedKey, Rehearsal } from '../support/relay.ts';
import { traces } from '../support/untouched.ts';

/** Who may do what, over all routes of the running app. Where a key may stand is in key-guard.test.ts. */

const METRICS_TOKEN = 'metrics-3f9a7c51d2e84b60';
const HAIKU = 'claude-haiku-4-5-20251001';
const OPUS = 'claude-opus-5';
const FLASH = 'gemini-2.5-flash';
const PRO = 'gemini-2.5-pro';
const NOVA = 'us.amazon.nova-2-lite-v1:0';
const SONNET = 'us.anthropic.claude-sonnet-5';

let rehearsal: Rehearsal;

beforeAll(async () => {
  rehearsal = await Rehearsal.start({ RELAY_METRICS_TOKEN: METRICS_TOKEN });
  await rehearsal.claudeAccount();
  await rehearsal.geminiAccount();
  await rehearsal.bedrockAccount({ models: { allow: [NOVA, SONNET] } });
});
afterEach(() => rehearsal.quiet());
afterAll(() => rehearsal.close());

const messages = [{ role: 'user', content: 'Hello' }];
const contents = [{ role: 'user', parts: [{ text: 'Hello' }] }];
const content = contents[0];

interface Route {
  readonly method: 'GET' | 'POST';
  readonly target: string;
  readonly body?: object;
  readonly headers?: HeaderLines;
}
const ANTHROPIC: HeaderLines = [['anthropic-version', '2023-06-01']];
const claude = (target: string, body?: object): Route => ({
  method: body === undefined ? 'GET' : 'POST',
  target,
  ...(body === undefined ? {} : { body }),
  headers: ANTHROPIC,
});
const gemini = (target: string, body?: object): Route => ({ ...claude(target, body), headers: [] });

/** Every way to use or to see a model, by the door it belongs to. */
const claudeRoutes = (model: string): readonly Route[] => [
  claude('/v1/messages', { model, max_tokens: 8, messages }),
  claude('/v1/messages?beta=true', { model, max_tokens: 8, messages, stream: true }),
  claude('/claude/v1/messages', { model, max_tokens: 8, messages }),
  claude('/v1/messages/count_tokens', { model, messages }),
  claude('/claude/v1/messages/count_tokens', { model, messages }),
  claude(`/v1/models/${model}`),
  claude(`/claude/v1/models/${model}`),
];
const geminiRoutes = (model: string): readonly Route[] => [
  gemini(`/v1beta/models/${model}:generateContent`, { contents }),
  gemini(`/gemini/v1beta/models/${model}:streamGenerateContent?alt=sse`, { contents }),
  gemini(`/gemini/v1/models/${model}:streamGenerateContent`, { contents }),
  gemini(`/v1beta/models/${model}%3AgenerateContent`, { contents }),
  gemini(`/v1beta/models/${model}:countTokens`, { contents }),
  gemini(`/v1beta/models/${model}:countTokens`, {
    generateContentRequest: { model: `models/${model}`, contents },
  }),
  gemini(`/v1beta/models/${model}:embedContent`, { content }),
  gemini(`/v1beta/models/${model}:batchEmbedContents`, {
    requests: [{ model: `models/${model}`, content }],
  }),
  gemini(`/v1beta/models/${model}`),
  gemini(`/gemini/v1/models/${model}`),
];
const invoked = { anthropic_version: 'bedrock-2023-05-31', max_tokens: 8, messages };
const conversed = { messages: [{ role: 'user', content: [{ text: 'Hello' }] }] };
const counted = { invokeModel: { body: Buffer.from(JSON.stringify(invoked)).toString('base64') } };
const converseRoutes = (model: string): readonly Route[] =>
  ['', '/bedrock'].flatMap((prefix) => [
    gemini(`${prefix}/model/${encodeURIComponent(model)}/converse`, conversed),
    gemini(`${prefix}/model/${model}/converse-stream`, conversed),
  ]);
/** InvokeModel is Claude's, and CountTokens the simulator has for Claude only. */
const bedrockRoutes = (model: string): readonly Route[] => [
  ...converseRoutes(model),
  ...['', '/bedrock'].flatMap((prefix) => [
    gemini(`${prefix}/model/${encodeURIComponent(model)}/invoke`, invoked),
    gemini(`${prefix}/model/${model}/invoke-with-response-stream`, invoked),
    gemini(`${prefix}/model/${model}/count-tokens`, { input: counted }),
    gemini(`${prefix}/model/${model}/count-tokens`, { input: { converse: conversed } }),
  ]),
];
const LISTS: Readonly<Record<'claude' | 'gemini' | 'openai', readonly Route[]>> = {
  claude: [claude('/v1/models'), claude('/claude/v1/models')],
  gemini: [gemini('/v1beta/models'), gemini('/gemini/v1/models'), gemini('/gemini/v1beta/models')],
  openai: [gemini('/v1/models')],
};

const ask = (route: Route, key: string | undefined, url = rehearsal.url): Promise<RawAnswer> =>
  askRaw(
    url,
    route.method,
    route.target,
    [...(route.headers ?? []), ...(key === undefined ? [] : ([['x-api-key', key]] as const))],
    route.body === undefined ? '' : JSON.stringify(route.body),
  );

async function statuses(routes: readonly Route[], key: string | undefined, url?: string): Promise<unknown[]> {
  const seen: unknown[] = [];
  for (const route of routes) {
    seen.push([`${route.method} ${route.target}`, (await ask(route, key, url)).status]);
  }
  return seen;
}
const all = (routes: readonly Route[], status: number): unknown[] =>
  routes.map(({ method, target }) => [`${method} ${target}`, status]);

async function listed(route: Route, key: string): Promise<string[]> {
  const { data, models } = JSON.parse((await ask(route, key)).body) as {
    data?: { id: string }[];
    models?: { name: string }[];
  };
  return data?.map(({ id }) => id) ?? models?.map(({ name }) => name.replace('models/', '')) ?? [];
}

const EVERY_ROUTE: readonly Route[] = [
  ...claudeRoutes(HAIKU),
  ...LISTS.claude,
  ...geminiRoutes(FLASH),
  ...LISTS.gemini,
  ...LISTS.openai,
  ...bedrockRoutes(SONNET),
  gemini('/me'),
  gemini('/me/usage'),
];

describe('a key that opens nothing', () => {
  /** Ids differ; nothing else may. */
  const plain = (answer: RawAnswer): string =>
    `${answer.status} ${answer.body.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'ID')}`;

  it('is refused on every route with the one body that its door has for it, whatever is wrong (A1)', async () => {
    const of = (more: object = {}): Promise<CreatedKey> => rehearsal.key(more);
    const [disabled, expired, revoked, deleted, rotated] = await Promise.all([
      of({ enabled: false }),
      of({ expiresAt: '2001-01-01T00:00:00Z' }),
      of(),
      of(),
      of(),
    ]);
    await admin(rehearsal.url, 'POST', `/keys/${revoked.id}/revoke`);
    await admin(rehearsal.url, 'DELETE', `/keys/${deleted.id}`);
    await admin(rehearsal.url, 'POST', `/keys/${rotated.id}/rotate`, {});
    const before = await traces(rehearsal);
    const wrong = [disabled, expired, revoked, deleted, rotated].map(({ key }) => key);
    for (const route of EVERY_ROUTE) {
      const bare = plain(await ask(route, undefined));
      expect(bare).toMatch(/^401 \{/);
      for (const key of [...wrong, "' or '1'='1' --", ADMIN_TOKEN, METRICS_TOKEN]) {
        expect([route.target, plain(await ask(route, key))]).toEqual([route.target, bare]);
      }
    }
    expect(await traces(rehearsal)).toEqual(before);
  });

  it('stops in the middle of a connection’s life, for calls and lists alike', async () => {
    const { id, key } = await rehearsal.key();
    const [call, list] = [claudeRoutes(HAIKU)[0], LISTS.claude[0]] as [Route, Route];
    expect(await statuses([call, list], key)).toEqual(all([call, list], 200));
    await admin(rehearsal.url, 'PATCH', `/keys/${id}`, { enabled: false });
    expect(await statuses([call], key)).toEqual(all([call], 401));
    await eventually(async () => expect(await statuses([call, list], key)).toEqual(all([call, list], 401)));
    await admin(rehearsal.url, 'PATCH', `/keys/${id}`, { enabled: true });
    await eventually(async () => expect(await statuses([call, list], key)).toEqual(all([call, list], 200)));
  });
});

describe('a key for some doors', () => {
  it.each<[string, string[], readonly Route[], readonly Route[]]>([
    [
      'claude',
      ['claude'],
      [...claudeRoutes(HAIKU), ...LISTS.claude],
      [...geminiRoutes(FLASH), ...LISTS.gemini, ...LISTS.openai, ...bedrockRoutes(SONNET)],
    ],
    [
      'gemini',
      ['gemini'],
      [...geminiRoutes(FLASH).slice(0, 6), ...LISTS.gemini],
      [...claudeRoutes(HAIKU), ...LISTS.claude, ...LISTS.openai, ...bedrockRoutes(SONNET)],
    ],
    [
      'bedrock',
      ['bedrock'],
      [...bedrockRoutes(SONNET), ...converseRoutes(NOVA)],
      [...claudeRoutes(HAIKU), ...LISTS.claude, ...geminiRoutes(FLASH), ...LISTS.gemini, ...LISTS.openai],
    ],
    ['none', [], [], EVERY_ROUTE.filter(({ target }) => !target.startsWith('/me'))],
  ])('gets 403 at all others: %s', async (_, scopes, open, closed) => {
    const { key } = await rehearsal.key({ scopes });
    expect(await statuses([...open, gemini('/me')], key)).toEqual(all([...open, gemini('/me')], 200));
    await rehearsal.quiet();
    const before = await traces(rehearsal);
    expect(await statuses(closed, key)).toEqual(all(closed, 403));
    expect(await traces(rehearsal)).toEqual(before);
  });
});

describe('a key for some models (A14)', () => {
  it('cannot use or see another Claude model by any route', async () => {
    const { key } = await rehearsal.key({ models: ['claude-haiku-*'] });
    expect(await statuses(claudeRoutes(HAIKU), key)).toEqual(all(claudeRoutes(HAIKU), 200));
    await rehearsal.quiet();
    const before = await traces(rehearsal);
    const others = [
      ...claudeRoutes(OPUS),
      ...claudeRoutes(`C${HAIKU.slice(1)}`),
      ...[
        { fallbacks: [{ model: OPUS }] },
        { fallbacks: [{ model: HAIKU }, { model: OPUS }] },
        { tools: [{ type: 'advisor_20260301', name: 'advisor', model: OPUS }] },
      ].flatMap((more) => [
        claude('/v1/messages?beta=true', { model: HAIKU, max_tokens: 8, messages, ...more }),
        claude('/claude/v1/messages/count_tokens', { model: HAIKU, messages, ...more }),
      ]),
    ];
    expect(await statuses(others, key)).toEqual(all(others, 404));
    for (const list of LISTS.claude) {
      const names = await listed(list, key);
      expect(names.length).toBeGreaterThan(0);
      expect(names.filter((name) => !name.startsWith('claude-haiku-'))).toEqual([]);
    }
    expect(await traces(rehearsal)).toMatchObject({ ledger: before.ledger, open: 0 });
  });

  it('cannot use or see another Gemini model by any route', async () => {
    const { key } = await rehearsal.key({ models: [FLASH] });
    const open = geminiRoutes(FLASH).filter(({ target }) => !/mbed/.test(target));
    expect(await statuses(open, key)).toEqual(all(open, 200));
    await rehearsal.quiet();
    const before = await traces(rehearsal);
    const others = [
      ...geminiRoutes(PRO),
      ...geminiRoutes('Gemini-2.5-flash'),
      ...geminiRoutes(`${FLASH}-lite`),
    ];
    others.push(gemini(`/v1beta/tunedModels/${FLASH}:generateContent`, { contents }));
    expect(await statuses(others, key)).toEqual(all(others, 404));
    // The path says the one, the body another: no such call.
    const disguised = [
      gemini(`/v1beta/models/${FLASH}:countTokens`, {
        generateContentRequest: { model: `models/${PRO}`, contents },
      }),
      gemini(`/v1beta/models/${FLASH}:batchEmbedContents`, {
        requests: [{ model: `models/${PRO}`, content }],
      }),
      gemini(`/v1beta/models/${FLASH}:generateContent`, { model: PRO, contents }),
    ];
    expect(await statuses(disguised, key)).toEqual(all(disguised, 400));
    for (const list of LISTS.gemini) expect(await listed(list, key)).toEqual([FLASH]);
    expect(await traces(rehearsal)).toMatchObject({ ledger: before.ledger, open: 0 });
    for (const list of LISTS.openai) expect(await listed(list, key)).toEqual([FLASH]);
  });

  it('cannot use another model of Bedrock’s by any route', async () => {
    const { key } = await rehearsal.key({ models: [SONNET] });
    expect(await statuses(bedrockRoutes(SONNET), key)).toEqual(all(bedrockRoutes(SONNET), 200));
    await rehearsal.quiet();
    const before = await traces(rehearsal);
    const path = `/model/${SONNET}`;
    const beside = [{ fallbacks: [{ model: OPUS }] }, { tools: [{ type: 'advisor', model: OPUS }] }];
    const others = [
      ...bedrockRoutes(NOVA),
      ...bedrockRoutes('anthropic.claude-opus-5'),
      ...bedrockRoutes(SONNET.replace('us.', 'eu.')),
      ...bedrockRoutes(SONNET.toUpperCase()),
      ...beside.flatMap((more) => {
        const body = Buffer.from(JSON.stringify({ ...invoked, ...more })).toString('base64');
        const fields = { ...conversed, additionalModelRequestFields: more };
        return [
          gemini(`${path}/invoke`, { ...invoked, ...more }),
          gemini(`/bedrock${path}/invoke-with-response-stream`, { ...invoked, ...more }),
          gemini(`${path}/converse`, fields),
          gemini(`/bedrock${path}/converse-stream`, fields),
          gemini(`${path}/count-tokens`, { input: { invokeModel: { body } } }),
          gemini(`${path}/count-tokens`, { input: { converse: fields } }),
        ];
      }),
    ];
    expect(await statuses(others, key)).toEqual(all(others, 404));
    // The path says the one, the body another: no such call.
    const disguised = [
      gemini(`${path}/invoke`, { ...invoked, model: OPUS }),
      gemini(`${path}/converse`, { ...conversed, modelId: NOVA }),
    ];
    expect(await statuses(disguised, key)).toEqual(all(disguised, 400));
    expect(await traces(rehearsal)).toMatchObject({ ledger: before.ledger, open: 0 });
  });

  it('means public names: a map opens neither what it hides nor what it points at', async () => {
    const { id } = await rehearsal.claudeAccount({
      models: { allow: ['claude-*'], map: { fast: HAIKU, smart: OPUS } },
    });
    const of = async (models: string[]): Promise<string> =>
      (await rehearsal.key({ models, accounts: [id] })).key;
    const reach = async (key: string): Promise<unknown[]> => {
      const open: string[] = [];
      for (const model of ['fast', 'smart', HAIKU, OPUS]) {
        for (const route of claudeRoutes(model)) {
          const { status } = await ask(route, key);
          expect([200, 404]).toContain(status);
          if (status === 200) open.push(model);
        }
      }
      const names = (await listed(LISTS.claude[0] as Route, key)).filter((one) =>
        ['fast', 'smart', HAIKU, OPUS].includes(one),
      );
      return [[...new Set(open)], names.sort()];
    };
    const before = rehearsal.simulator.requests.length;
    expect(await reach(await of(['fast']))).toEqual([['fast'], ['fast']]);
    const seen = rehearsal.simulator.requests.slice(before).filter(({ method }) => method === 'POST');
    expect(new Set(seen.map(({ model }) => model))).toEqual(new Set([HAIKU]));
    expect(await reach(await of([HAIKU]))).toEqual([[HAIKU], [HAIKU]]);
    expect(await reach(await of(['claude-haiku-*', 'smart']))).toEqual([
      ['smart', HAIKU],
      [HAIKU, 'smart'].sort(),
    ]);
    expect(await reach(await of([]))).toEqual([[], []]);
  });

  it('that is bound to one account has no other account’s models', async () => {
    const { id } = await rehearsal.claudeAccount({ models: { allow: [HAIKU] } });
    const { key } = await rehearsal.key({ accounts: [id] });
    expect(await statuses(claudeRoutes(HAIKU), key)).toEqual(all(claudeRoutes(HAIKU), 200));
    const others = [...claudeRoutes(OPUS), ...geminiRoutes(FLASH)];
    expect(await statuses(others, key)).toEqual(all(others, 404));
    for (const list of Object.values(LISTS).flat()) expect(await listed(list, key)).toEqual([HAIKU]);
  });
});

describe('a replica whose clock is wrong (A6)', () => {
  const RealDate = Date;
  afterEach(() => {
    globalThis.Date = RealDate;
  });
  const shiftClock = (ms: number): void => {
    globalThis.Date = class extends RealDate {
      constructor(...given: [] | [number | string | Date]) {
        if (given.length === 0) super(RealDate.now() + ms);
        else super(given[0]);
      }
      static override now(): number {
        return RealDate.now() + ms;
      }
    } as DateConstructor;
  };
  const inMinutes = (minutes: number): string =>
    new RealDate(RealDate.now() + minutes * 60_000).toISOString();
  const routes = [claudeRoutes(HAIKU)[0], claudeRoutes(HAIKU)[3], LISTS.claude[0], gemini('/me')] as Route[];

  it.each([
    ['an hour ahead', 3_600_000],
    ['an hour behind', -3_600_000],
  ])('ends keys by the database’s: %s', async (_, ms) => {
    const [valid, past, soon] = await Promise.all([
      rehearsal.key({ expiresAt: inMinutes(30) }),
      rehearsal.key({ expiresAt: inMinutes(-30) }),
      rehearsal.key({ expiresAt: inMinutes(0.04) }),
    ]);
    shiftClock(ms);
    expect(Math.abs(Date.now() - RealDate.now() - ms)).toBeLessThan(1000);
    const { url } = await rehearsal.addReplica();
    expect(await statuses(routes, valid.key, url)).toEqual(all(routes, 200));
    expect(await statuses(routes, past.key, url)).toEqual(all(routes, 401));
    await eventually(async () => expect(await statuses(routes, soon.key, url)).toEqual(all(routes, 401)));
    // Made on that replica, for a time that its own clock takes for long past or far off.
    const made = await admin(url, 'POST', '/keys', {
      name: 'made there',
      scopes: ['claude'],
      models: ['*'],
      expiresAt: inMinutes(30),
    });
    expect(await statuses(routes, (made.body as CreatedKey).key, url)).toEqual(all(routes, 200));

    await rehearsal.quiet();
    const [newest] = await rehearsal.sql<{ off: number }>(
      `select abs(extract(epoch from clock_timestamp() - max(admitted_at)))::float8 as off from ledger`,
    );
    expect(newest?.off).toBeLessThan(60);
    const [beats] = await rehearsal.sql<{ silent: number }>(
      `select count(*)::integer as silent from replicas
        where closed_at is null and (dead_at is not null or abs(extract(epoch from clock_timestamp() - beat)) > 60)`,
    );
    expect(beats?.silent).toBe(0);
    expect((await fetch(`${url}/health/ready`)).status).toBe(200);
  });
});

describe('every route of the running app (A7)', () => {
  /** All that anybody may ask for without a credential; a new one is to be thought about, and then added here. */
  const PUBLIC = [
    'GET /api/hello',
    'GET /claude/api/hello',
    'GET /health/live',
    'GET /health/ready',
    'ALL /inference-profiles',
    ...['/claude', '/gemini', '/openai', '/bedrock', '/model', '/v1', '/v1beta'].flatMap((door) => [
      `ALL ${door}`,
      `ALL ${door}/*rest`,
    ]),
  ];
  const expressOf = (): Express => rehearsal.replica(0).app.getHttpAdapter().getInstance();
  const declared = () =>
    rehearsal
      .replica(0)
      .app.get(AccessCheck)
      .routes()
      .flatMap(({ method, paths, policy }) => paths.map((path) => ({ method, path, policy })));

  const mounted = (): string[] => {
    const found: string[] = [];
    for (const { route } of expressOf().router.stack) {
      if (route === undefined) continue;
      const methods = new Set(route.stack.map(({ method }: { method: string | undefined }) => method));
      const every = methods.has(undefined) || methods.size > 20;
      for (const method of every ? ['all'] : methods)
        found.push(`${String(method).toUpperCase()} ${route.path}`);
    }
    return found;
  };
  const isOfDocs = (route: string): boolean => /^GET \/(docs|openapi\.json)(\/|$)/.test(route);

  it('is declared, with a guard for its policy, and public only by name', () => {
    const routes = declared();
    const names = routes.map(({ method, path }) => `${method} ${path}`);
    expect(mounted().filter((route) => !names.includes(route) && !isOfDocs(route))).toEqual([]);
    expect(names.filter((route) => !mounted().includes(route))).toEqual([]);
    expect(
      routes
        .filter(({ policy }) => policy === 'public')
        .map(({ method, path }) => `${method} ${path}`)
        .sort(),
    ).toEqual([...PUBLIC].sort());
    const policies = routes.map(({ policy }) => policy);
    for (const policy of ['key', 'admin', 'metrics'] as const) expect(policies).toContain(policy);
  });

  it('opens to its own credential and to no other', async () => {
    const { key } = await rehearsal.key();
    const credentials = {
      none: [],
      key: [['authorization', `Bearer ${key}`]],
      admin: [['authorization', `Bearer ${ADMIN_TOKEN}`]],
      metrics: [['authorization', `Bearer ${METRICS_TOKEN}`]],
    } satisfies Record<string, HeaderLines>;
    const routes = [
      ...declared(),
      ...mounted()
        .filter(isOfDocs)
        .map((route) => ({ method: 'GET', path: route.slice('GET '.length), policy: 'admin' as const })),
    ];
    const wrong: unknown[] = [];
    for (const { method, path, policy } of routes) {
      const target = path.replace(/:\w+/g, randomUUID()).replace(/\*\w+/g, 'x');
      const asked = method === 'ALL' ? 'GET' : method;
      const body = ['POST', 'PATCH', 'PUT'].includes(asked) ? '{}' : '';
      for (const [who, headers] of Object.entries(credentials)) {
        const { status } = await askRaw(rehearsal.url, asked, target, headers, body);
        const may = policy === 'public' || policy === who;
        const right = may ? status !== 401 && status !== 403 && status < 500 : status === 401;
        if (!right) wrong.push([`${asked} ${target}`, policy, who, status]);
      }
    }
    expect(wrong).toEqual([]);
    expect(routes.length).toBeGreaterThan(60);
  });

  it('that says nothing, or lacks its guard, keeps the app from starting', async () => {
    @Controller('silent')
    class SilentController {
      @Get()
      read(): string {
        return 'read';
      }
    }
    @Controller('unguarded')
    class UnguardedController {
      @Get()
      @Policy('key')
      read(): string {
        return 'read';
      }
    }
    @Enforces('key')
    class AnyGuard {
      canActivate(): boolean {
        return true;
      }
    }
    @Controller('crossed')
    @UseGuards(AnyGuard)
    class CrossedController {
      @Get()
      @Policy('admin')
      read(): string {
        return 'read';
      }
    }
    @Controller('open')
    class OpenController {
      @Get()
      @Policy('public')
      read(): string {
        return 'read';
      }
    }
    const start = async (controller: new () => object): Promise<void> => {
      @Module({ imports: [AccessModule], controllers: [controller] })
      class Whole {}
      const app = await NestFactory.create(Whole, { logger: false, abortOnError: false });
      try {
        await app.init();
      } finally {
        await app.close();
      }
    };
    await expect(start(OpenController)).resolves.toBeUndefined();
    await expect(start(SilentController)).rejects.toThrow(/SilentController\.read declares no policy/);
    await expect(start(UnguardedController)).rejects.toThrow(
      /UnguardedController\.read is 'key' but has no guard/,
    );
    await expect(start(CrossedController)).rejects.toThrow(
      /CrossedController\.read is 'admin' but has no guard/,
    );
  });
});
