import { askRaw, type HeaderLines, type RawAnswer } from '../support/raw-http.ts';
import { type CreatedKey, Rehearsal } from '../support/relay.ts';
import { traces } from '../support/untouched.ts';

/**
 * Rows of the catalogue that hold for every route by which a model is used, on every door and under every prefix; the
 * corner cases of each vendor's own fields stand in the files of their own (bad-input, injection, identity).
 */

const DOORS = ['claude', 'gemini', 'openai', 'bedrock'] as const;
type DoorName = (typeof DOORS)[number];

interface Route {
  readonly door: DoorName;
  readonly title: string;
  /** Served by an account of this relay. */
  readonly model: string;
  /** In the path the name is encoded, as clients do. */
  readonly by: 'body' | 'path';
  readonly call: (model: string) => { readonly target: string; readonly body: object };
}

const messages = [{ role: 'user', content: 'Hello' }];
const contents = [{ role: 'user', parts: [{ text: 'Hello' }] }];
const inBody = (door: DoorName, target: string, model: string, body: object): Route => ({
  door,
  title: target,
  model,
  by: 'body',
  call: (name) => ({ target, body: { model: name, ...body } }),
});
const inPath = (
  door: DoorName,
  [before, after]: readonly [string, string],
  model: string,
  body: object,
): Route => ({
  door,
  title: `${before}…${after}`,
  model,
  by: 'path',
  call: (name) => ({ target: `${before}${encodeURIComponent(name)}${after}`, body }),
});

const CLAUDE = 'claude-sonnet-5';
const GEMINI = 'gemini-2.5-flash';
const OPENAI = 'gpt-4.1';
const NOVA = 'amazon.nova-pro-v1:0';
const BEDROCK_CLAUDE = 'us.anthropic.claude-haiku-4-5-20251001-v1:0';

const converse = { messages: [{ role: 'user', content: [{ text: 'Hello' }] }] };
const invoke = { anthropic_version: 'bedrock-2023-05-31', max_tokens: 8, messages };
const counted = { input: { converse } };

const ROUTES: readonly Route[] = [
  ...['', '/claude'].flatMap((prefix) => [
    inBody('claude', `${prefix}/v1/messages`, CLAUDE, { max_tokens: 8, messages }),
    inBody('claude', `${prefix}/v1/messages?beta=true`, CLAUDE, { max_tokens: 8, messages, stream: true }),
    inBody('claude', `${prefix}/v1/messages/count_tokens`, CLAUDE, { messages }),
  ]),
  ...['/v1beta', '/gemini/v1beta', '/gemini/v1'].flatMap((prefix) =>
    [':generateContent', ':streamGenerateContent', ':streamGenerateContent?alt=sse', ':countTokens'].map(
      (verb) => inPath('gemini', [`${prefix}/models/`, verb], GEMINI, { contents }),
    ),
  ),
  ...['', '/openai'].flatMap((prefix) => [
    inBody('openai', `${prefix}/v1/chat/completions`, OPENAI, { messages }),
    inBody('openai', `${prefix}/v1/embeddings`, 'text-embedding-3-small', { input: 'Hello' }),
    inBody('openai', `${prefix}/v1/responses`, OPENAI, { input: 'Hello' }),
  ]),
  ...['', '/bedrock'].flatMap((prefix) => [
    inPath('bedrock', [`${prefix}/model/`, '/converse'], NOVA, converse),
    inPath('bedrock', [`${prefix}/model/`, '/converse-stream'], NOVA, converse),
    inPath('bedrock', [`${prefix}/model/`, '/invoke'], BEDROCK_CLAUDE, invoke),
    inPath('bedrock', [`${prefix}/model/`, '/invoke-with-response-stream'], BEDROCK_CLAUDE, invoke),
    inPath('bedrock', [`${prefix}/model/`, '/count-tokens'], NOVA, counted),
  ]),
];
const TITLED = ROUTES.map((route) => [route.title, route] as const);
const MODELS = [...new Set(ROUTES.map(({ model }) => model))];

let rehearsal: Rehearsal;
let key: string;

beforeAll(async () => {
  rehearsal = await Rehearsal.start();
  await Promise.all([
    rehearsal.claudeAccount(),
    rehearsal.geminiAccount(),
    rehearsal.openaiAccount(),
    rehearsal.bedrockAccount(),
    // Whatever is not refused before would go there.
    rehearsal.claudeAccount({ models: { allow: ['*'] }, priority: 90 }),
    rehearsal.openaiAccount({ models: { allow: ['*'] }, priority: 90 }),
    rehearsal.bedrockAccount({ models: { allow: ['*'] }, priority: 90 }),
  ]);
  key = (await keyFor({})).key;
});
afterEach(() => rehearsal.quiet());
afterAll(() => rehearsal.close());

const keyFor = (more: object): Promise<CreatedKey> => rehearsal.key({ scopes: DOORS, ...more });

function ask({ call }: Route, as: string, model: string): Promise<RawAnswer> {
  const { target, body } = call(model);
  const headers: HeaderLines = [
    ['x-api-key', as],
    ['anthropic-version', '2023-06-01'],
    ['content-type', 'application/json'],
  ];
  return askRaw(rehearsal.url, 'POST', target, headers, JSON.stringify(body));
}

/** No upstream was asked, no place taken, nothing booked. */
async function untouched(work: () => Promise<void>): Promise<void> {
  const before = await traces(rehearsal);
  await work();
  expect(await traces(rehearsal)).toEqual(before);
}

describe.each(TITLED)('a call of %s', (_, route) => {
  it('that is fine is served, so that what is refused below is refused for its fault', async () => {
    const { status, body } = await ask(route, key, route.model);
    expect([status, body]).toEqual([200, expect.any(String)]);
  });

  it('with a model’s name that leads elsewhere asks nobody (B5)', () =>
    untouched(async () => {
      const names = [
        ...[
          '../x',
          '..',
          '.',
          'a/../b',
          'a//b',
          '/x',
          'x/',
          '%2e%2e%2fx',
          'a%2fb',
          'a#b',
          'a?b',
          'a?key=x',
          'a\\b',
        ],
        ...[
          'a b',
          'a\nb',
          'a\0b',
          'a\u001b[31m',
          'a"b',
          'ｍｏｄｅｌ',
          'model\u200b',
          'é',
          '',
          'x'.repeat(10_240),
        ],
      ];
      for (const name of names) {
        const { status, body } = await ask(route, key, name);
        // In a path some of these are another path, which there is not.
        expect([name, [400, 404, ...(name.length > 9_000 ? [414, 431] : [])]]).toEqual([
          name,
          expect.arrayContaining([status]),
        ]);
        if (route.by === 'body') expect([name, status]).toEqual([name, 400]);
        expect(body).not.toContain('node_modules');
      }
    }));

  it('with line breaks for a name is told without breaking a line (S7)', () =>
    untouched(async () => {
      const { status, headers, body } = await ask(
        route,
        key,
        'a\r\nx-injected: 1\r\n\r\nevent: x\ndata: {}\n\n',
      );
      expect([400, 404]).toContain(status);
      expect(headers).not.toHaveProperty('x-injected');
      expect(body).not.toMatch(/[\r\n]/);
      expect(() => void JSON.parse(body)).not.toThrow();
    }));

  it('is for keys with its door and its model only (A14)', () =>
    untouched(async () => {
      const { door, model } = route;
      const shut = await keyFor({ scopes: DOORS.filter((one) => one !== door) });
      const elsewhere = await keyFor({ models: MODELS.filter((one) => one !== model) });
      const nothing = await keyFor({ models: [] });
      const noDoor = await keyFor({ scopes: [] });
      const statuses = [];
      for (const { key: other } of [shut, noDoor, elsewhere, nothing]) {
        statuses.push((await ask(route, other, model)).status);
      }
      expect(statuses).toEqual([403, 403, 404, 404]);
    }));
});
