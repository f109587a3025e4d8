import { askRaw, type HeaderLines, type RawAnswer } from '../support/raw-http.ts';
import { Rehearsal } from '../support/relay.ts';
import { bothersNobody, traces } from '../support/untouched.ts';
import { sha256 } from '../support/wire-client.ts';

/** What clients send that is no call: told at the door, in its own dialect, and nobody else is bothered. */

type Door = 'claude' | 'gemini' | 'bedrock';

interface Route {
  readonly door: Door;
  readonly target: string;
  /** A body that this route takes. */
  readonly body: string;
}

const MODEL = 'claude-sonnet-5';
const GEMINI_MODEL = 'gemini-2.5-flash';
const messages = [{ role: 'user', content: 'Hello' }];
const contents = [{ role: 'user', parts: [{ text: 'Hello' }] }];
const claudeBody = JSON.stringify({ model: MODEL, max_tokens: 16, messages });
const geminiBody = JSON.stringify({ contents });

const claude = (target: string): Route => ({ door: 'claude', target, body: claudeBody });
const gemini = (verb: string, body = geminiBody, prefix = '/v1beta'): Route => ({
  door: 'gemini',
  target: `${prefix}/models/${GEMINI_MODEL}:${verb}`,
  body,
});
const BEDROCK_MODEL = 'us.anthropic.claude-sonnet-5';
const invokeBody = JSON.stringify({ anthropic_version: 'bedrock-2023-05-31', max_tokens: 16, messages });
const converseBody = JSON.stringify({ messages: [{ role: 'user', content: [{ text: 'Hello' }] }] });
const countBody = JSON.stringify({ input: { converse: { messages: [] } } });
const bedrock = (operation: string, body: string, prefix = ''): Route => ({
  door: 'bedrock',
  target: `${prefix}/model/${BEDROCK_MODEL}/${operation}`,
  body,
});
const [INVOKE, INVOKE_STREAM, CONVERSE, CONVERSE_STREAM, COUNT_AT_BEDROCK] = [
  bedrock('invoke', invokeBody),
  bedrock('invoke-with-response-stream', invokeBody, '/bedrock'),
  bedrock('converse', converseBody, '/bedrock'),
  bedrock('converse-stream', converseBody),
  bedrock('count-tokens', countBody),
] as const;
const BEDROCK_ROUTES = [INVOKE, INVOKE_STREAM, CONVERSE, CONVERSE_STREAM, COUNT_AT_BEDROCK];
const ROUTES: readonly Route[] = [
  claude('/v1/messages'),
  claude('/claude/v1/messages'),
  claude('/v1/messages/count_tokens'),
  gemini('generateContent'),
  gemini('generateContent', geminiBody, '/gemini/v1'),
  gemini('streamGenerateContent'),
  gemini('streamGenerateContent?alt=sse'),
  gemini('countTokens'),
  gemini('embedContent', JSON.stringify({ content: contents[0] })),
  gemini('batchEmbedContents', JSON.stringify({ requests: [] })),
  ...BEDROCK_ROUTES,
];
const [MESSAGES, , COUNT_TOKENS, GENERATE] = ROUTES as [Route, Route, Route, Route];
const EMBED = ROUTES[8] as Route;
const BATCH = ROUTES[9] as Route;

let rehearsal: Rehearsal;
let key: string;
/** For accounts that each have their own vendor's models only. */
let crossed: string;

beforeAll(async () => {
  rehearsal = await Rehearsal.start();
  await rehearsal.claudeAccount({ models: { allow: ['*'] } });
  await rehearsal.geminiAccount({ models: { allow: ['*'] } });
  key = (await rehearsal.key()).key;
  const [claudeOnly, geminiOnly] = await Promise.all([
    rehearsal.claudeAccount({ models: { allow: ['claude-*'] } }),
    rehearsal.geminiAccount({ models: { allow: ['gemini-*'] } }),
  ]);
  crossed = (await rehearsal.key({ accounts: [claudeOnly.id, geminiOnly.id] })).key;
});
afterAll(() => rehearsal.quiet());
afterAll(() => rehearsal.close());

const post = (
  target: string,
  body: Buffer | string,
  headers: HeaderLines = [['content-type', 'application/json']],
): Promise<RawAnswer> => ask(key, target, body, headers);

const ask = (
  as: string,
  target: string,
  body: Buffer | string,
  headers: HeaderLines = [['anthropic-version', '2023-06-01']],
): Promise<RawAnswer> => askRaw(rehearsal.url, 'POST', target, [['x-api-key', as], ...headers], body);

/** In the shape of the door's vendor, whole, with our id, and with nothing of our insides. */
function expectRefusal(door: Door, answer: RawAnswer, status: number, kind: string, message: RegExp): void {
  expect({ status: answer.status, body: answer.body }).toMatchObject({ status });
  expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
  const id = answer.headers['x-relay-request-id'];
  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-/);
  const told = expect.stringMatching(message) as unknown;
  if (door === 'bedrock') {
    expect([answer.headers['x-amzn-errortype'], answer.headers['x-amzn-requestid']]).toEqual([kind, id]);
    expect(JSON.parse(answer.body)).toEqual({ message: told });
    return;
  }
  expect(JSON.parse(answer.body)).toEqual(
    door === 'claude'
      ? { type: 'error', error: { type: kind, message: told }, request_id: id }
      : { error: { code: status, message: told, status: kind } },
  );
  expect(answer.body).not.toMatch(/\.[jt]s:\d|node_modules|\n|SyntaxError|Error:/);
}

const INVALID: Readonly<Record<Door, string>> = {
  claude: 'invalid_request_error',
  gemini: 'INVALID_ARGUMENT',
  bedrock: 'ValidationException',
};

/** 400 that begins with the field's name. */
async function expectInvalid(route: Route, answer: Promise<RawAnswer>, field: string): Promise<void> {
  const start = new RegExp(`^${field.replace(/[.[\]*]/g, '\\$&')}: `);
  expectRefusal(route.door, await answer, 400, INVALID[route.door], start);
}

const latin = (text: string): Buffer => Buffer.from(text, 'latin1');
const deep = (levels: number, open: string, close: string): string =>
  open.repeat(levels) + '1' + close.repeat(levels);
const manyKeys = (count: number): string =>
  Array.from({ length: count }, (_, i) => `"k${i.toString(36)}":0`).join(',');

describe('a body that is no JSON object (B1, B3)', () => {
  bothersNobody(() => rehearsal);

  const cut = (route: Route): string => route.body.slice(0, -1);
  const inside = (route: Route, member: string): string => `${cut(route)},${member}}`;

  it.each<[string, (route: Route) => Buffer | string]>([
    ['nothing', () => ''],
    ['white space', () => ' \r\n\t '],
    ['the start of an object', () => '{'],
    ['an object without its end', cut],
    ['an object in the middle of a string', (route) => route.body.slice(0, 12)],
    ['plain text', () => 'hello'],
    ['a form', () => 'model=claude&messages=hi'],
    ['an array', (route) => `[${route.body}]`],
    ['a string', () => '"x"'],
    ['null', () => 'null'],
    ['a number', () => '1'],
    ['an object and a second one', (route) => route.body + route.body],
    ['an object with text after it', (route) => `${route.body} x`],
    ['a byte order mark before it', (route) => `\ufeff${route.body}`],
    ['UTF-16', (route) => Buffer.from(route.body, 'utf16le')],
    ['NUL before it', (route) => `\0${route.body}`],
    ['NUL after it', (route) => `${route.body}\0`],
    ['NUL inside a string', (route) => inside(route, '"x":"a\0b"')],
    ['a raw line feed inside a string', (route) => inside(route, '"x":"a\nb"')],
    ['a trailing comma', (route) => `${cut(route)},}`],
    ['a comment', (route) => `/* x */${route.body}`],
    ['single quotes', (route) => inside(route, "'x':1")],
    ['a bare name', (route) => inside(route, 'x:1')],
    ['NaN', (route) => inside(route, '"x":NaN')],
    ['a number with a leading zero', (route) => inside(route, '"x":012')],
    ['half an escape', (route) => inside(route, '"x":"\\u12"')],
    ['a byte that UTF-8 does not have', (route) => latin(inside(route, '"x":"\xff"'))],
    ['an overlong character', (route) => latin(inside(route, '"x":"\xc0\xaf"'))],
    ['half a character at the end of a string', (route) => latin(inside(route, '"x":"\xe2\x82"'))],
    ['a surrogate in UTF-8', (route) => latin(inside(route, '"x":"\xed\xa0\x80"'))],
    ['201 levels of arrays', (route) => inside(route, `"x":${deep(200, '[', ']')}`)],
  ])('is refused on every route: %s', async (_, bodyOf) => {
    for (const route of ROUTES) await expectInvalid(route, post(route.target, bodyOf(route)), 'body');
  });

  it.each<[string, string]>([
    ['100,000 levels of arrays', `"x":${deep(100_000, '[', ']')}`],
    ['100,000 levels of objects', `"x":${deep(100_000, '{"a":', '}')}`],
    ['100,000 levels that never close', `"x":${'['.repeat(100_000)}`],
    ['a million names at the top', manyKeys(1_000_000)],
    ['a million names below', `"x":{${manyKeys(1_000_000)}}`],
    ['a name of 2 KB', `"${'n'.repeat(2048)}":1`],
  ])('is refused at every door: %s', async (_, member) => {
    for (const route of [MESSAGES, GENERATE, INVOKE, CONVERSE]) {
      await expectInvalid(route, post(route.target, inside(route, member)), 'body');
    }
  });
});

describe('a name given twice (B4)', () => {
  bothersNobody(() => rehearsal);

  const twice = (name: string, other: string, members: string): string => `{${members},"${name}":${other}}`;
  const claudeMembers = claudeBody.slice(1, -1);
  const geminiMembers = geminiBody.slice(1, -1);
  const config = (members: string): string => `${geminiBody.slice(0, -1)},${members}}`;

  it.each<[Route, string, string]>([
    [MESSAGES, 'model', twice('model', '"claude-opus-5"', claudeMembers)],
    [MESSAGES, 'model', twice('mod\\u0065l', '"claude-opus-5"', claudeMembers)],
    [MESSAGES, 'model', twice('\\u006d\\u006F\\u0064\\u0065\\u006c', '1', claudeMembers)],
    [MESSAGES, 'Model', twice('Model', '"claude-opus-5"', claudeMembers)],
    [MESSAGES, 'stream', `{"stream":false,${claudeMembers},"stream":true}`],
    [MESSAGES, 'STREAM', `{"stream":false,${claudeMembers},"STREAM":true}`],
    [MESSAGES, 'max_tokens', twice('max_tokens', '999999', claudeMembers)],
    [MESSAGES, 'max_tokens', twice('max\\u005ftokens', '999999', claudeMembers)],
    [MESSAGES, 'messages', twice('messages', '[]', claudeMembers)],
    [MESSAGES, 'tools', `{"tools":[],${claudeMembers},"tools":[]}`],
    [MESSAGES, '__proto__', `{"__proto__":1,${claudeMembers},"\\u005f_proto__":1}`],
    [
      MESSAGES,
      'fallbacks[].model',
      twice('fallbacks', '[{"model":"claude-haiku-4-5","model":"claude-opus-5"}]', claudeMembers),
    ],
    [COUNT_TOKENS, 'model', twice('model', '"claude-opus-5"', claudeMembers)],
    [GENERATE, 'contents', twice('contents', '[]', geminiMembers)],
    [GENERATE, 'contents', twice('cont\\u0065nts', '[]', geminiMembers)],
    [GENERATE, 'generationConfig', config('"generationConfig":{},"generationConfig":{}')],
    [GENERATE, 'generationConfig', config('"generationConfig":{},"generation_config":{}')],
    [
      GENERATE,
      'generationConfig.maxOutputTokens',
      config('"generationConfig":{"maxOutputTokens":1,"max_output_tokens":99}'),
    ],
    [
      GENERATE,
      'generationConfig.candidateCount',
      config('"generationConfig":{"candidateCount":1,"candidate\\u0043ount":8}'),
    ],
    [GENERATE, 'model', config(`"model":"${GEMINI_MODEL}","model":"gemini-2.5-pro"`)],
    [INVOKE, 'max_tokens', twice('max_tokens', '999999', invokeBody.slice(1, -1))],
    [INVOKE_STREAM, 'max_tokens', twice('max\\u005ftokens', '999999', invokeBody.slice(1, -1))],
    [INVOKE, 'anthropic_version', twice('anthropic_version', '"x"', invokeBody.slice(1, -1))],
    [INVOKE, 'messages', twice('messages', '[]', invokeBody.slice(1, -1))],
    [
      INVOKE,
      'fallbacks[].model',
      twice('fallbacks', '[{"model":"claude-haiku-4-5","model":"claude-opus-5"}]', invokeBody.slice(1, -1)),
    ],
    [CONVERSE, 'messages', twice('messages', '[]', converseBody.slice(1, -1))],
    [CONVERSE, 'inferenceConfig', `{"inferenceConfig":{},"inferenceConfig":{"maxTokens":9}}`],
    [
      CONVERSE_STREAM,
      'inferenceConfig.maxTokens',
      `{"inferenceConfig":{"maxTokens":1,"max\\u0054okens":999999}}`,
    ],
    [COUNT_AT_BEDROCK, 'input', twice('input', '{}', countBody.slice(1, -1))],
    [COUNT_AT_BEDROCK, 'input.converse', `{"input":{"converse":{},"converse":{"messages":[]}}}`],
    [
      BATCH,
      'requests[].model',
      `{"requests":[{"model":"models/${GEMINI_MODEL}","model":"models/gemini-2.5-pro"}]}`,
    ],
  ])('is refused: %j %s', async (route, field, body) => {
    await expectInvalid(route, post(route.target, body), field);
  });
});

describe('the name of a model that leads elsewhere (B5)', () => {
  bothersNobody(() => rehearsal);

  const NAMES: readonly string[] = [
    '../x',
    '..',
    '.',
    'a/../b',
    'a//b',
    '/claude-sonnet-5',
    'claude-sonnet-5/',
    '%2e%2e%2fx',
    'a#b',
    'a?b',
    'a?key=x',
    'a\\b',
    'a b',
    'a\r\nx-api-key: y',
    'a\nb',
    'a\0b',
    'a\u001b[31m',
    'a"b',
    "a'; drop table ledger; --",
    'ｃｌａｕｄｅ-sonnet-5',
    'claude‐sonnet‐5',
    'claude-sonnet-5\u200b',
    '\u202eclaude',
    'é',
    '',
    'x'.repeat(257),
    'x'.repeat(10_240),
  ];

  const TITLED = NAMES.map((name) => [name.slice(0, 40), name] as const);

  it.each(TITLED)('is refused in a body: %j', async (_, name) => {
    const body = JSON.stringify({ model: name, max_tokens: 16, messages });
    for (const route of [MESSAGES, COUNT_TOKENS]) {
      await expectInvalid(route, post(route.target, body), 'model');
    }
    const other = JSON.stringify({ model: MODEL, max_tokens: 16, messages, fallbacks: [{ model: name }] });
    await expectInvalid(MESSAGES, post(MESSAGES.target, other), 'fallbacks[].model');
  });

  it.each(TITLED)('is refused in a path: %j', async (_, name) => {
    const encoded = encodeURIComponent(name);
    for (const verb of ['generateContent', 'streamGenerateContent', 'countTokens']) {
      const answer = await post(`/v1beta/models/${encoded}:${verb}`, geminiBody);
      if (answer.status === 404) expectRefusal('gemini', answer, 404, 'NOT_FOUND', /./);
      else expectRefusal('gemini', answer, 400, 'INVALID_ARGUMENT', /^model: /);
    }
  });

  it.each(TITLED)('is refused in a path of Bedrock: %j', async (_, name) => {
    for (const { target, body } of BEDROCK_ROUTES) {
      const answer = await post(target.replace(BEDROCK_MODEL, encodeURIComponent(name)), body);
      if (name === '') expectRefusal('bedrock', answer, 404, 'UnknownOperationException', /./);
      else expectRefusal('bedrock', answer, 400, 'ValidationException', /^model: /);
    }
  });

  it.each([
    '/model/../model/x/invoke',
    '/model/../invoke',
    '/model/%2e%2e%2f/invoke',
    '/model/%252e%252e%252f/invoke',
    '/model/..%2f..%2fadmin/invoke',
    '/model/a#b/invoke',
    '/model/a%23b/invoke',
    '/model/a?b/invoke',
    '/model/%c0%ae%c0%ae/invoke',
    '/model/%ff/invoke',
    '/model/%/invoke',
    '/model/x%0d%0ahost:%20evil/invoke',
    '/model/x%00/invoke',
    '/model/x/invoke/',
    '/model/x/Invoke',
    '/model//invoke',
    '/bedrock/model/x/__proto__',
    '/bedrock/model/x/y/invoke',
    `/model/${'x'.repeat(10_240)}/invoke`,
  ])('is refused as written in a path of Bedrock: %.60s', async (target) => {
    const answer = await post(target, invokeBody);
    const kinds = { 400: 'ValidationException', 404: 'UnknownOperationException' } as const;
    expect([400, 404]).toContain(answer.status);
    expectRefusal('bedrock', answer, answer.status, kinds[answer.status as 400 | 404], /./);
  });

  it('is refused where a body for Bedrock names one', async () => {
    await expectInvalid(INVOKE, post(INVOKE.target, `${invokeBody.slice(0, -1)},"model":"x"}`), 'model');
    await expectInvalid(
      CONVERSE,
      post(CONVERSE.target, `${converseBody.slice(0, -1)},"modelId":"x"}`),
      'modelId',
    );
    const other = `${invokeBody.slice(0, -1)},"fallbacks":[{"model":"../x"}]}`;
    await expectInvalid(INVOKE, post(INVOKE.target, other), 'fallbacks[].model');
  });

  it.each([
    '/v1beta/models/../models/gemini-2.5-pro:generateContent',
    '/v1beta/models/a#b:generateContent',
    '/v1beta/models/gemini-2.5-pro#:generateContent',
    '/v1beta/models/a?b:generateContent',
    '/v1beta/models/a%23b:generateContent',
    '/v1beta/models/..%2f..%2fadmin:generateContent',
    '/v1beta/models/%252e%252e%252f:generateContent',
    '/v1beta/models/%2e%2e:generateContent',
    '/v1beta/models/%c0%ae%c0%ae:generateContent',
    '/v1beta/models/%ff:generateContent',
    '/v1beta/models/%:generateContent',
    '/v1beta/models/%zz:generateContent',
    '/v1beta/models/gemini-2.5-pro%0d%0ax:generateContent',
    '/v1beta/models/gemini-2.5-pro%00:generateContent',
    '/v1beta/models/gemini-2.5-pro:generateContent:generateContent',
    '/v1beta/models/gemini-2.5-pro:__proto__',
    '/v1beta/models/gemini-2.5-pro:constructor',
    '/v1beta/models/gemini-2.5-pro:GenerateContent',
    '/v1beta/models/gemini-2.5-pro:generateContent/',
    '/v1beta/models/:generateContent',
    '/v1beta/models/gemini-2.5-pro:predict',
    '/v1/models/gemini-2.5-pro:generateContent',
  ])('is refused as written: %s', async (target) => {
    const answer = await post(target, geminiBody);
    const root = target.startsWith('/v1/');
    expect([400, 404]).toContain(answer.status);
    expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
    expect(JSON.parse(answer.body)).toMatchObject({
      error: root ? { message: expect.any(String) as string } : { code: answer.status },
    });
  });

  it('is refused where the body names another than the path', async () => {
    for (const [route, field, body] of [
      [GENERATE, 'model', { model: 'models/gemini-2.5-pro', contents }],
      [GENERATE, 'model', { model: '', contents }],
      [GENERATE, 'model', { model: null, contents }],
      [
        ROUTES[7] as Route,
        'generateContentRequest.model',
        { generateContentRequest: { model: 'models/gemini-2.5-pro', contents } },
      ],
      [EMBED, 'model', { model: 'models/../x', content: contents[0] }],
      [BATCH, 'requests[].model', { requests: [{ model: `models/${GEMINI_MODEL}` }, { model: 'x' }] }],
    ] as const) {
      await expectInvalid(route, post(route.target, JSON.stringify(body)), field);
    }
  });
});

describe('a number that is none of the field’s (B6)', () => {
  bothersNobody(() => rehearsal);

  const NUMBERS = ['-1', '1e309', '-1e309', '9223372036854775808', '1e30', '1.5', '"12"', 'true', '[]', '{}'];

  it.each([...NUMBERS, 'null'])('is refused as max_tokens: %s', async (text) => {
    const body = claudeBody.replace('"max_tokens":16', `"max_tokens":${text}`);
    await expectInvalid(MESSAGES, post(MESSAGES.target, body), 'max_tokens');
  });

  it.each(NUMBERS)('is refused as maxOutputTokens: %s', async (text) => {
    for (const [config, name] of [
      ['generationConfig', 'maxOutputTokens'],
      ['generation_config', 'max_output_tokens'],
    ] as const) {
      const body = `${geminiBody.slice(0, -1)},"${config}":{"${name}":${text}}}`;
      await expectInvalid(GENERATE, post(GENERATE.target, body), 'generationConfig.maxOutputTokens');
    }
  });

  it.each([...NUMBERS, '0', '9', '1000000000'])('is refused as candidateCount: %s', async (text) => {
    const body = `${geminiBody.slice(0, -1)},"generationConfig":{"candidateCount":${text}}}`;
    await expectInvalid(GENERATE, post(GENERATE.target, body), 'generationConfig.candidateCount');
  });
});

describe('a field that is missing or of another type', () => {
  bothersNobody(() => rehearsal);

  it.each<[Route, string, object]>([
    [MESSAGES, 'model', { max_tokens: 16, messages }],
    [MESSAGES, 'model', { model: 5, max_tokens: 16, messages }],
    [MESSAGES, 'model', { model: ['claude-sonnet-5'], max_tokens: 16, messages }],
    [MESSAGES, 'messages', { model: MODEL, max_tokens: 16 }],
    [MESSAGES, 'messages', { model: MODEL, max_tokens: 16, messages: {} }],
    [MESSAGES, 'messages', { model: MODEL, max_tokens: 16, messages: 'Hello' }],
    [MESSAGES, 'max_tokens', { model: MODEL, messages }],
    [MESSAGES, 'stream', { model: MODEL, max_tokens: 16, messages, stream: 'true' }],
    [MESSAGES, 'stream', { model: MODEL, max_tokens: 16, messages, stream: 1 }],
    [MESSAGES, 'stream', { model: MODEL, max_tokens: 16, messages, stream: null }],
    [MESSAGES, 'fallbacks[].model', { model: MODEL, max_tokens: 16, messages, fallbacks: [{ model: 5 }] }],
    [COUNT_TOKENS, 'model', { messages }],
    [COUNT_TOKENS, 'messages', { model: MODEL }],
    [GENERATE, 'contents', {}],
    [GENERATE, 'contents', { contents: 'Hello' }],
    [GENERATE, 'generationConfig', { contents, generationConfig: [] }],
    [ROUTES[7] as Route, 'contents', {}],
    [ROUTES[7] as Route, 'generateContentRequest', { generateContentRequest: [] }],
    [EMBED, 'content', {}],
    [BATCH, 'requests', {}],
    [BATCH, 'requests', { requests: {} }],
  ])('is refused by name: %j %s', async (route, field, body) => {
    await expectInvalid(route, post(route.target, JSON.stringify(body)), field);
  });

  it.each<[Route, string, string, HeaderLines]>([
    [MESSAGES, 'beta', '?beta=true&beta=false', []],
    [MESSAGES, 'beta', '?beta=%0d%0ax', []],
    [MESSAGES, 'anthropic-version', '', [['anthropic-version', '2023-06-01, 2023-01-01']]],
    [
      MESSAGES,
      'anthropic-version',
      '',
      [
        ['anthropic-version', '2023-06-01'],
        ['Anthropic-Version', '2023-01-01'],
      ],
    ],
    [GENERATE, 'alt', '?alt=sse', []],
    [GENERATE, 'alt', '?alt=proto', []],
    [GENERATE, 'alt', '?alt=json&alt=sse', []],
  ])('is refused as a parameter or a header: %j %s %s', async (route, field, query, headers) => {
    await expectInvalid(route, post(route.target + query, route.body, headers), field);
  });
});

describe('a body that came encoded (B8)', () => {
  bothersNobody(() => rehearsal);

  it.each(['gzip', 'br', 'zstd', 'deflate', 'x', 'identity, gzip', Array(10).fill('gzip').join(', ')])(
    'is refused, unopened, on every route: %s',
    async (encoding) => {
      for (const route of ROUTES) {
        const answer = await post(route.target, route.body, [['content-encoding', encoding]]);
        const kind = INVALID[route.door];
        expectRefusal(route.door, answer, 415, kind, /content-encoding/);
      }
    },
  );
});

describe('the content-type (B11)', () => {
  const TYPES: readonly HeaderLines[] = [
    [],
    [['content-type', 'application/json']],
    [['content-type', '\tAPPLICATION/Json\t;charset=UTF-8']],
    [['content-type', 'application/json; charset=utf-16']],
    [['content-type', 'application/json; charset="utf-7"']],
    [['content-type', 'application/json, text/html']],
    [['content-type', 'text/plain']],
    [['content-type', 'application/x-www-form-urlencoded']],
    [['content-type', 'multipart/form-data; boundary=x']],
    [['content-type', 'x']],
    [['content-type', '']],
    [
      ['content-type', 'text/plain'],
      ['content-type', 'application/json'],
    ],
  ];

  it.each(TYPES.map((headers) => [headers] as const))(
    'makes no difference to what is refused: %j',
    async (headers) => {
      for (const route of [MESSAGES, GENERATE]) {
        await expectInvalid(route, post(route.target, '{', headers), 'body');
      }
      const spoilt = claudeBody.replace('"max_tokens":16', '"max_tokens":-1');
      await expectInvalid(MESSAGES, post(MESSAGES.target, spoilt, headers), 'max_tokens');
    },
  );

  it('makes no difference to what is served, and is JSON to the upstream', async () => {
    for (const headers of TYPES) {
      for (const route of [MESSAGES, GENERATE]) {
        const answer = await post(route.target, route.body, [
          ['anthropic-version', '2023-06-01'],
          ...headers,
        ]);
        expect([headers, answer.status]).toEqual([headers, 200]);
        const seen = rehearsal.simulator.requests.at(-1);
        expect(seen?.headers['content-type']).toBe('application/json');
        expect(seen?.body.toString()).toBe(route.body);
      }
    }
  });
});

describe('names that mean something to JavaScript (B2)', () => {
  it('are data at any depth: they arrive as they were sent, and change nothing here', async () => {
    const evil = '{"__proto__":{"polluted":"yes"},"constructor":{"prototype":{"polluted":"yes"}}}';
    const members = `"__proto__":${evil},"constructor":${evil},"prototype":${evil},"toString":1,"metadata":${evil}`;
    for (const route of [MESSAGES, COUNT_TOKENS, GENERATE]) {
      const body = `${route.body.slice(0, -1)},${members}}`;
      const { upstream } = await traces(rehearsal);
      const answer = await post(route.target, body, [['anthropic-version', '2023-06-01']]);
      // What the vendor makes of them is its own affair; that it was asked, with these bytes, is ours.
      expect(answer.headers['x-relay-attempts']).toBe('1');
      const [seen] = rehearsal.simulator.requests.slice(upstream);
      expect(seen?.bodySha256).toBe(sha256(body));
    }
    expectClean();
  });

  it.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf'])(
    'are fields like any other where the account speaks another dialect: %s',
    async (name) => {
      const { upstream } = await traces(rehearsal);
      for (const [route, wanted] of [
        [MESSAGES, GEMINI_MODEL],
        [GENERATE, MODEL],
      ] as const) {
        // Only the other vendor's account has this model, and no dialect can say such a field.
        const body = `${route.body.replace(MODEL, wanted).slice(0, -1)},"${name}":{"polluted":1}}`;
        const target = route.target.replace(GEMINI_MODEL, wanted);
        await expectInvalid(route, ask(crossed, target, body), name);
      }
      expect((await traces(rehearsal)).upstream).toBe(upstream);
      // In a tool's schema it is the tool's own business, at any depth.
      const schema = `{"type":"object","properties":{"${name}":{"type":"string","${name}":{"polluted":1}}}}`;
      const tools = `[{"functionDeclarations":[{"name":"f","description":"d","parameters":${schema}}]}]`;
      const body = `${GENERATE.body.slice(0, -1)},"tools":${tools}}`;
      const target = GENERATE.target.replace(GEMINI_MODEL, MODEL);
      expect((await ask(crossed, target, body)).headers['x-relay-attempts']).toBe('1');
      expect(rehearsal.simulator.requests.at(-1)?.body.toString()).toContain(`"input_schema":${schema}`);
      expectClean();
    },
  );

  function expectClean(): void {
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    expect(Object.keys(Object.prototype)).toEqual([]);
  }
});
