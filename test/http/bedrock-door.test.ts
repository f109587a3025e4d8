import { crc32 } from 'node:zlib';
import { packSignature } from '../../src/translation/carried.ts';
import { eventually } from '../support/eventually.ts';
import {
  type Answer,
  chunk,
  document,
  exception,
  FakeBedrock,
  refusal,
  stream,
  streamEvent,
} from '../support/fake-bedrock.ts';
import { admin, Rehearsal } from '../support/relay.ts';
import { onWire, type WireAnswer } from '../support/wire-client.ts';

/**
 * The bedrock door as bytes: what passes, what is told when something goes wrong. Frames and documents are those of AWS'
 * Bedrock user guide ("Anthropic Claude Messages API") and API reference (InvokeModel, Converse, CountTokens).
 */
const CLAUDE = 'us.anthropic.claude-haiku-4-5-20251001-v1:0';
const NOVA = 'amazon.nova-pro-v1:0';
const ARN = 'arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3';
const SECRET = 'bedrock-api-key-of-the-account';

const USED = { input_tokens: 20, cache_read_input_tokens: 1000, cache_creation_input_tokens: 300 };
const INVOKED = [
  { type: 'message_start', message: { usage: { ...USED, output_tokens: 1 } } },
  { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Grüße' } },
  { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 7 } },
  { type: 'message_stop', 'amazon-bedrock-invocationMetrics': { inputTokenCount: 20, outputTokenCount: 7 } },
].map(chunk);
const CONVERSE_USAGE = {
  inputTokens: 20,
  outputTokens: 7,
  totalTokens: 1327,
  cacheReadInputTokens: 1000,
  cacheWriteInputTokens: 300,
};
const CONVERSED = [
  streamEvent('messageStart', { role: 'assistant', p: 'abc' }),
  streamEvent('contentBlockDelta', { contentBlockIndex: 0, delta: { text: 'Grüße' } }),
  streamEvent('contentBlockStop', { contentBlockIndex: 0 }),
  streamEvent('messageStop', { stopReason: 'end_turn' }),
  streamEvent('metadata', { usage: CONVERSE_USAGE, metrics: { latencyMs: 9 } }),
];
const BOOKED = {
  input_tokens: '20',
  cache_read_tokens: '1000',
  cache_write_5m_tokens: '300',
  output_tokens: '7',
  estimated: false,
  suspicious: false,
};

interface Way {
  readonly model: string;
  readonly operation: string;
  readonly body: string;
  readonly messages: readonly Buffer[];
}
const INVOKE_BODY = `{ "anthropic_version" : "bedrock-2023-05-31","max_tokens":50, "x":1e21, "messages":[{"role":"user","content":"\\u00e9"}]}`;
const CONVERSE_BODY = `{ "messages" : [{"role":"user","content":[{"text":"\\u00e9"}]}],"inferenceConfig":{"maxTokens":5e1} }`;
const WAYS: Readonly<Record<'invoke' | 'converse', Way>> = {
  invoke: {
    model: CLAUDE,
    operation: 'invoke-with-response-stream',
    body: INVOKE_BODY,
    messages: INVOKED,
  },
  converse: { model: NOVA, operation: 'converse-stream', body: CONVERSE_BODY, messages: CONVERSED },
};

let rehearsal: Rehearsal;
let bedrock: FakeBedrock;
let account: string;
let key: string;

beforeAll(async () => {
  [rehearsal, bedrock] = await Promise.all([
    Rehearsal.start({
      RELAY_HEADERS_TIMEOUT_MS: '800',
      RELAY_JSON_HEADERS_TIMEOUT_MS: '800',
      RELAY_IDLE_TIMEOUT_MS: '800',
      RELAY_KEEPALIVE_MS: '100',
    }),
    FakeBedrock.start(),
  ]);
  const credentials = { region: 'us-east-1', apiKey: SECRET };
  account = (await rehearsal.bedrockAccount({ baseUrl: bedrock.url, credentials })).id;
  key = (await rehearsal.key({ accounts: [account] })).key;
});
afterEach(async () => {
  await rehearsal.quiet();
  await admin(rehearsal.url, 'POST', `/accounts/${account}/clear-cooldowns`);
  bedrock.clear();
});
afterAll(async () => {
  await rehearsal.close();
  await bedrock.close();
});

const pathOf = ({ model, operation }: Pick<Way, 'model' | 'operation'>): string =>
  `/model/${encodeURIComponent(model)}/${operation}`;
const post = (
  path: string,
  body: string | object,
  headers: Readonly<Record<string, string>> = {},
  as = key,
): Promise<WireAnswer> =>
  onWire(`${rehearsal.url}${path}`, {
    headers: { authorization: `Bearer ${as}`, 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
const ask = (way: Way): Promise<WireAnswer> => post(pathOf(way), way.body);

const inPieces =
  (bytes: Buffer, size: number): Answer =>
  (response) => {
    response.writeHead(200, { 'content-type': 'application/vnd.amazon.eventstream' });
    const next = (at: number): void => {
      if (at >= bytes.length) response.end();
      else response.write(bytes.subarray(at, at + size), () => setImmediate(next, at + size));
    };
    next(0);
  };

/** The relay's own exception, by AWS' codec: what `exception` of these would be. */
const toldIn = (bytes: Buffer): { readonly name: string | undefined; readonly message: unknown } => {
  const text = bytes.toString('latin1');
  const name = /:exception-type\x07..(\w+?)\r:content-type/s.exec(text)?.[1];
  const json = /\{.*\}/s.exec(bytes.toString('utf8'))?.[0] ?? 'null';
  return { name, message: (JSON.parse(json) as { message?: unknown } | null)?.message };
};

describe.each(Object.entries(WAYS))('a stream by %s', (_, way) => {
  const whole = Buffer.concat(way.messages);

  it.each([1, 7, 100_000])('is the upstream’s, byte for byte, in pieces of %i', async (size) => {
    bedrock.answer = inPieces(whole, size);
    const answer = await ask(way);
    expect(answer.status).toBe(200);
    expect(answer.body.equals(whole)).toBe(true);
    expect(answer.headers).toMatchObject({
      'content-type': 'application/vnd.amazon.eventstream',
      'x-relay-edits': 'none',
      'x-relay-attempts': '1',
    });
    // The upstream told no id of its own.
    expect(answer.headers['x-amzn-requestid']).toBe(answer.headers['x-relay-request-id']);
    expect(bedrock.last).toMatchObject({
      path: pathOf(way),
      body: way.body,
      headers: { authorization: `Bearer ${SECRET}` },
    });
    expect(await rehearsal.lastRow()).toMatchObject({
      outcome: 'completed',
      door: 'bedrock',
      kind: 'bedrock',
      model: way.model,
      stream: true,
      ...BOOKED,
    });
  });

  it('is not held back until a message behind it is whole', async () => {
    let open: (() => void) | undefined;
    bedrock.answer = (response) => {
      response.writeHead(200, { 'content-type': 'application/vnd.amazon.eventstream' });
      response.write(Buffer.concat([way.messages[0]!, way.messages[1]!.subarray(0, 10)]));
      open = () => response.end(Buffer.concat([way.messages[1]!.subarray(10), ...way.messages.slice(2)]));
    };
    const answer = await onWire(`${rehearsal.url}${pathOf(way)}`, {
      headers: { authorization: `Bearer ${key}` },
      body: way.body,
      onData: (_piece, sofar) => {
        if (open === undefined) return;
        expect(sofar.equals(way.messages[0]!)).toBe(true);
        open();
        open = undefined;
      },
    });
    expect(answer.body.equals(whole)).toBe(true);
  });

  it('passes an exception as it came, and books what was before it', async () => {
    const told = exception('throttlingException', 'Too many tokens');
    const sent = Buffer.concat([...way.messages.slice(0, 2), told]);
    bedrock.answer = inPieces(sent, 50);
    const answer = await ask(way);
    expect([answer.body.equals(sent), answer.broken]).toEqual([true, false]);
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'partial', reason: 'ThrottlingException' });
  });

  const spoilt = (at: number): Buffer => {
    const bad = Buffer.from(way.messages[1]!);
    bad[bad.length - at]! ^= 1;
    return bad;
  };
  const claiming = (length: number): Buffer => {
    const prelude = Buffer.alloc(12);
    prelude.writeUInt32BE(length, 0);
    prelude.writeUInt32BE(crc32(prelude.subarray(0, 8)), 8);
    return prelude;
  };
  const [first] = way.messages as [Buffer];

  it.each<[string, Buffer, string]>([
    ['a wrong checksum', spoilt(20), 'unreadable'],
    ['a wrong checksum and more behind it', Buffer.concat([spoilt(1), whole]), 'unreadable'],
    ['a message of 4 GB', Buffer.concat([claiming(4_294_967_295), Buffer.alloc(1_000_000)]), 'unreadable'],
    ['a message of 17 MB', claiming(17 * 1024 * 1024), 'unreadable'],
    ['garbage', Buffer.from('<html>garbage</html>'), 'unreadable'],
    ['half a message', way.messages[1]!.subarray(0, 40), 'truncated'],
    ['a clean end', Buffer.alloc(0), 'truncated'],
  ])(
    'that goes wrong by %s ends with an exception, and with nothing of it (U23)',
    async (_what, bad, reason) => {
      bedrock.answer = stream(first, bad);
      const before = process.memoryUsage().arrayBuffers;
      const answer = await ask(way);
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 * 1024);
      expect([answer.status, answer.broken]).toEqual([200, false]);
      expect(answer.body.subarray(0, first.length).equals(first)).toBe(true);
      expect(toldIn(answer.body.subarray(first.length))).toEqual({
        name: 'modelStreamErrorException',
        message: 'The upstream ended its answer early',
      });
      expect(await rehearsal.lastRow()).toMatchObject({ reason });
      await eventually(() => expect(bedrock.last.left).toBe(true));
    },
  );

  it('that breaks or falls silent inside a message ends with an exception', async () => {
    const begun = Buffer.concat([first, way.messages[1]!.subarray(0, 9)]);
    for (const [ends, reason] of [
      [true, 'reset'],
      [false, 'idle-timeout'],
    ] as const) {
      bedrock.answer = (response) => {
        response.writeHead(200, { 'content-type': 'application/vnd.amazon.eventstream' });
        response.write(begun, () => ends && setTimeout(() => response.destroy(), 50));
      };
      const answer = await ask(way);
      expect(answer.broken).toBe(false);
      expect(toldIn(answer.body.subarray(first.length)).name).toBe('modelStreamErrorException');
      expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'partial', reason });
    }
  });

  it('carries a message of a megabyte', async () => {
    const large =
      way === WAYS.invoke
        ? chunk({ type: 'content_block_delta', delta: { type: 'text_delta', text: 'x'.repeat(700_000) } })
        : streamEvent('contentBlockDelta', { delta: { text: 'x'.repeat(1_000_000) } });
    const sent = Buffer.concat([first, large, ...way.messages.slice(1)]);
    bedrock.answer = inPieces(sent, 50_000);
    expect((await ask(way)).body.equals(sent)).toBe(true);
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'completed', output_tokens: '7' });
  });
});

describe('a document', () => {
  const message = { type: 'message', content: [], usage: { ...USED, output_tokens: 7 } };

  it('by InvokeModel is the upstream’s, with its headers', async () => {
    bedrock.answer = document(message, 200, {
      'x-amzn-bedrock-input-token-count': '20',
      'x-amzn-bedrock-invocation-latency': '900',
      'x-amz-cf-id': 'of-the-edge',
      'set-cookie': 'a=b',
    });
    const answer = await post(pathOf({ model: CLAUDE, operation: 'invoke' }), INVOKE_BODY);
    expect(answer.text).toBe(JSON.stringify(message));
    expect(answer.headers).toMatchObject({
      'x-amzn-requestid': 'aws-1',
      'x-amzn-bedrock-input-token-count': '20',
      'x-amzn-bedrock-invocation-latency': '900',
    });
    expect(answer.headers).not.toHaveProperty('x-amz-cf-id');
    expect(answer.headers).not.toHaveProperty('set-cookie');
    expect(bedrock.last.body).toBe(INVOKE_BODY);
    expect(await rehearsal.lastRow()).toMatchObject({
      outcome: 'completed',
      upstream_request_id: 'aws-1',
      stream: false,
      ...BOOKED,
    });
  });

  it('by Converse is the upstream’s, under either prefix and for Claude as well', async () => {
    const told = { output: { message: { content: [{ text: 'Hi' }] } }, usage: CONVERSE_USAGE };
    bedrock.answer = document(told);
    for (const model of [NOVA, CLAUDE]) {
      for (const prefix of ['', '/bedrock']) {
        const answer = await post(`${prefix}${pathOf({ model, operation: 'converse' })}`, CONVERSE_BODY);
        expect([answer.status, answer.text]).toEqual([200, JSON.stringify(told)]);
        expect(bedrock.last).toMatchObject({
          path: pathOf({ model, operation: 'converse' }),
          body: CONVERSE_BODY,
        });
        expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'completed', ...BOOKED });
      }
    }
  });

  it('by CountTokens costs nothing, in a lane of its own', async () => {
    bedrock.answer = document({ inputTokens: 11 });
    const counted = Buffer.from(INVOKE_BODY).toString('base64');
    for (const input of [`{"invokeModel":{"body":"${counted}"}}`, `{"converse":${CONVERSE_BODY}}`]) {
      const body = `{ "input":${input} }`;
      const answer = await post(pathOf({ model: CLAUDE, operation: 'count-tokens' }), body);
      expect([answer.status, answer.text]).toEqual([200, '{"inputTokens":11}']);
      expect(bedrock.last).toMatchObject({
        path: pathOf({ model: CLAUDE, operation: 'count-tokens' }),
        body,
      });
      expect(await rehearsal.lastRow()).toMatchObject({
        lane: 'count',
        outcome: 'completed',
        input_tokens: '0',
        cost_nanos: '0',
      });
    }
  });

  it('that is none becomes an error', async () => {
    const bad: readonly [Answer, string, string][] = [
      [document({}), 'converse', CONVERSE_BODY],
      [document({ message: 'no counts here' }), 'count-tokens', `{"input":{"converse":${CONVERSE_BODY}}}`],
      [document(message, 200, { 'content-type': 'text/html' }), 'invoke', INVOKE_BODY],
      [document(message), 'converse-stream', CONVERSE_BODY],
      [stream(), 'converse-stream', CONVERSE_BODY],
    ];
    for (const [answering, operation, body] of bad) {
      bedrock.answer = answering;
      const answer = await post(pathOf({ model: CLAUDE, operation }), body);
      expect([operation, answer.status]).toEqual([operation, 502]);
      expect(answer.headers['x-amzn-errortype']).toBe('ServiceUnavailableException');
      expect(JSON.parse(answer.text)).toEqual({ message: expect.any(String) as string });
    }
  });
});

describe('the model of the path', () => {
  beforeEach(() => {
    bedrock.answer = document({ output: {}, usage: CONVERSE_USAGE });
  });

  it.each([
    [
      'with its colon as it is',
      `/model/${CLAUDE}/converse`,
      pathOf({ model: CLAUDE, operation: 'converse' }),
    ],
    [
      'encoded in lower case',
      `/model/${NOVA.replace(':', '%3a')}/converse`,
      pathOf({ model: NOVA, operation: 'converse' }),
    ],
    [
      'as an ARN',
      `/model/${encodeURIComponent(ARN)}/converse`,
      pathOf({ model: ARN, operation: 'converse' }),
    ],
  ])('goes on in one spelling: %s', async (_, path, sent) => {
    expect((await post(path, CONVERSE_BODY)).status).toBe(200);
    expect(bedrock.last.path).toBe(sent);
  });

  it('is moved by a map, and not a byte of the body with it', async () => {
    const models = { map: { team: ARN, nova: NOVA, 'claude-team': CLAUDE } };
    const { id } = await rehearsal.bedrockAccount({ baseUrl: bedrock.url, models });
    const mapped = (await rehearsal.key({ accounts: [id] })).key;
    for (const [name, target] of Object.entries(models.map)) {
      const answer = await post(pathOf({ model: name, operation: 'converse' }), CONVERSE_BODY, {}, mapped);
      expect(answer.headers['x-relay-edits']).toBe('model');
      expect(bedrock.last).toMatchObject({
        path: pathOf({ model: target, operation: 'converse' }),
        body: CONVERSE_BODY,
      });
      expect(await rehearsal.lastRow()).toMatchObject({ model: name, upstream_model: target });
    }
  });

  it('is Claude’s for InvokeModel: others are asked by Converse', async () => {
    const answer = await post(pathOf({ model: NOVA, operation: 'invoke' }), INVOKE_BODY);
    expect([answer.status, answer.headers['x-amzn-errortype']]).toEqual([404, 'ResourceNotFoundException']);
    expect(bedrock.asked).toEqual([]);
  });

  it('is served by accounts at Bedrock only', async () => {
    const { id } = await rehearsal.claudeAccount({ models: { allow: [CLAUDE, NOVA] } });
    const elsewhere = (await rehearsal.key({ accounts: [id] })).key;
    for (const way of Object.values(WAYS)) {
      expect((await post(pathOf(way), way.body, {}, elsewhere)).status).toBe(404);
    }
    expect(bedrock.asked).toEqual([]);
  });
});

describe('what the upstream refuses', () => {
  it.each([
    [400, 'ValidationException', 'Malformed input request', 400],
    [404, 'ResourceNotFoundException', 'Could not resolve the foundation model', 404],
    [424, 'ModelErrorException', 'The model failed', 424],
    [408, 'ModelTimeoutException', 'Too slow', 408],
    [429, 'ThrottlingException', 'Too many requests', 429],
    [500, 'InternalServerException', 'Oh no', 500],
    [503, 'ServiceUnavailableException', 'Later', 503],
  ])('%d %s passes as it came', async (status, name, text, told) => {
    bedrock.answer = refusal(status, name, text);
    const answer = await ask(WAYS.converse);
    expect([answer.status, JSON.parse(answer.text)]).toEqual([told, { message: text }]);
    expect(answer.headers['x-amzn-errortype']).toMatch(new RegExp(`^${name}:`));
    expect(answer.headers['x-amzn-requestid']).toBe('aws-1');
  });

  it.each([
    [403, 'UnrecognizedClientException', 'The security token included in the request is invalid.'],
    [403, 'AccessDeniedException', `Authentication failed: ${SECRET}`],
    [403, 'AccessDeniedException', "You don't have access to the model with the specified model ID."],
  ])('%d %s is the account’s, and not the client’s', async (status, name, text) => {
    const credentials = { region: 'us-east-1', apiKey: SECRET };
    const { id } = await rehearsal.bedrockAccount({ baseUrl: bedrock.url, credentials });
    bedrock.answer = refusal(status, name, text);
    const own = (await rehearsal.key({ accounts: [id] })).key;
    const answer = await post(pathOf(WAYS.invoke), INVOKE_BODY, {}, own);
    expect([answer.status, answer.headers['x-amzn-errortype']]).toEqual([503, 'ServiceUnavailableException']);
    expect(answer.text).not.toContain(text);
    expect(answer.headers['x-amzn-requestid']).toBe(answer.headers['x-relay-request-id']);
  });

  it('no answer in time is a 504 in AWS’ words', async () => {
    bedrock.answer = () => undefined;
    const answer = await ask(WAYS.invoke);
    expect([answer.status, answer.headers['x-amzn-errortype']]).toEqual([504, 'ModelTimeoutException']);
  });
});

describe('what the door refuses', () => {
  const told = ({ status, headers, text }: WireAnswer): unknown[] => {
    expect(headers['x-amzn-requestid']).toBe(headers['x-relay-request-id']);
    expect(headers['content-type']).toBe('application/json; charset=utf-8');
    const body = JSON.parse(text) as { message: string };
    expect(body).toEqual({ message: expect.any(String) as string });
    return [status, headers['x-amzn-errortype']];
  };
  afterEach(() => expect(bedrock.asked).toEqual([]));

  it('is a key that is wrong, or an AWS signature, with the way out', async () => {
    const wrong = await post(pathOf(WAYS.invoke), INVOKE_BODY, {}, 'rk_wrong');
    expect(told(wrong)).toEqual([401, 'UnrecognizedClientException']);
    const authorization =
      'AWS4-HMAC-SHA256 Credential=AKIA/20261101/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=00';
    const signed = await post(pathOf(WAYS.invoke), INVOKE_BODY, { authorization });
    expect(told(signed)).toEqual([401, 'UnrecognizedClientException']);
    expect(signed.text).toContain('AWS_BEARER_TOKEN_BEDROCK');
  });

  it('is a key for other doors', async () => {
    const other = (await rehearsal.key({ scopes: ['claude'] })).key;
    expect(told(await post(pathOf(WAYS.invoke), INVOKE_BODY, {}, other))).toEqual([
      403,
      'AccessDeniedException',
    ]);
  });

  it('is a path that is none of the runtime’s, with a key or without', async () => {
    const paths = [
      ['POST', '/model'],
      ['POST', '/model/x'],
      ['POST', `/model/${ARN}/invoke`],
      ['POST', `/model/${CLAUDE}/invoke-with-bidirectional-stream`],
      ['POST', `/bedrock/model/${CLAUDE}/invoke/more`],
      ['GET', `/model/${CLAUDE}/invoke`],
      ['GET', '/bedrock'],
      ['POST', '/bedrock/guardrail/x/version/1/apply'],
      ['GET', '/inference-profiles?type=SYSTEM_DEFINED'],
      ['GET', '/bedrock/inference-profiles'],
      ['GET', '/model/%'],
    ] as const;
    for (const [method, path] of paths) {
      const answer = await onWire(`${rehearsal.url}${path}`, {
        method,
        headers: { authorization: `Bearer ${key}` },
      });
      expect([path, ...told(answer)]).toEqual([path, 404, 'UnknownOperationException']);
    }
    const bare = await onWire(`${rehearsal.url}/inference-profiles`, { method: 'GET' });
    expect(told(bare)).toEqual([404, 'UnknownOperationException']);
  });

  it('is a body that is too large', async () => {
    const answer = await post(pathOf(WAYS.invoke), 'x', { 'content-length': '99999999' }).catch(
      (error: unknown) => error,
    );
    // Refused by its declared length, before a byte of it was read.
    expect(told(answer as WireAnswer)).toEqual([413, 'ValidationException']);
  });
});

describe('what passes of headers', () => {
  it('is the allow-list, and the account’s credential alone (S6)', async () => {
    bedrock.answer = stream(...INVOKED);
    await post(pathOf(WAYS.invoke), INVOKE_BODY, {
      accept: 'application/vnd.amazon.eventstream',
      'x-api-key': key,
      'api-key': key,
      connection: 'keep-alive, x-api-key, x-amzn-bedrock-trace',
      cookie: 'session=1',
      'x-amz-date': '20261101T000000Z',
      'x-amz-security-token': 'of-the-client',
      'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
      'x-amz-user-agent': 'aws-sdk-js/3.1164.0',
      'amz-sdk-invocation-id': 'id',
      'amz-sdk-request': 'attempt=1; max=3',
      'x-relay-session-id': 's',
      'x-forwarded-for': '10.0.0.1',
      'anthropic-beta': 'a',
      'anthropic-version': '2023-06-01',
      'user-agent': 'aws-sdk-js/3.1164.0',
      'x-amzn-bedrock-guardrailidentifier': 'g1',
    });
    const {
      host: _host,
      'content-length': _length,
      connection: _connection,
      ...headers
    } = bedrock.last.headers;
    expect(headers).toEqual({
      accept: 'application/vnd.amazon.eventstream',
      authorization: `Bearer ${SECRET}`,
      'content-type': 'application/json',
      'user-agent': 'aws-sdk-js/3.1164.0',
      'x-amzn-bedrock-guardrailidentifier': 'g1',
      'accept-encoding': 'identity',
    });
  });

  it('and what is told of errors makes no header and no message (S7)', async () => {
    const message = 'no\r\nset-cookie: a=b\r\n\r\nevent: message_stop\n\n';
    bedrock.answer = refusal(400, 'ValidationException', message);
    const refused = await ask(WAYS.invoke);
    expect(refused.headers).not.toHaveProperty('set-cookie');
    expect(JSON.parse(refused.text)).toEqual({ message });
    const named = await post(`/model/${encodeURIComponent('a\r\nset-cookie: a=b')}/invoke`, INVOKE_BODY);
    expect(named.status).toBe(400);
    expect(named.headers).not.toHaveProperty('set-cookie');
    expect(named.text).not.toMatch(/[\r\n]/);
  });
});

describe('a conversation that was begun elsewhere', () => {
  it('leaves a foreign signature behind with its block', async () => {
    bedrock.answer = stream(...INVOKED);
    const signature = packSignature({ minted: 'google', value: 'c2ln' }, 'anthropic');
    const thinking = { type: 'thinking', thinking: 'hm', signature };
    const body = (content: unknown[]): object => ({
      anthropic_version: 'bedrock-2023-05-31',
      max_tokens: 5,
      messages: [{ role: 'assistant', content }],
    });
    const text = { type: 'text', text: 'Hi' };
    const answer = await post(pathOf(WAYS.invoke), body([thinking, text]));
    expect(answer.headers['x-relay-edits']).toBe('signature:foreign');
    expect(bedrock.last.body).toBe(JSON.stringify(body([text])));
  });
});
