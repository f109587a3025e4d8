import Anthropic from '@anthropic-ai/sdk';
import { crc32 } from 'node:zlib';
import { eventually } from '../support/eventually.ts';
import { chunk, document, exception, FakeBedrock, refusal, stream } from '../support/fake-bedrock.ts';
import { admin, type CreatedAccount, Rehearsal } from '../support/relay.ts';

/**
 * Accounts at Bedrock behind the claude door, against a server that checks signatures and writes the event stream with
 * AWS' own code. Frames and documents are those of AWS' Bedrock user guide ("Anthropic Claude Messages API") and API
 * reference (InvokeModel, InvokeModelWithResponseStream, CountTokens, CommonErrors).
 */
const MODEL = 'claude-haiku-4-5';
const ID = 'us.anthropic.claude-haiku-4-5-20251001-v1:0';
const PATH = '/model/us.anthropic.claude-haiku-4-5-20251001-v1%3A0';
const REGION = 'us-east-1';
const ROLE = 'arn:aws:iam::123456789012:role/relay';

const USAGE = {
  input_tokens: 20,
  cache_creation_input_tokens: 300,
  cache_read_input_tokens: 1000,
  cache_creation: { ephemeral_5m_input_tokens: 100, ephemeral_1h_input_tokens: 200 },
};
const MESSAGE = {
  id: 'msg_bdrk_1',
  type: 'message',
  role: 'assistant',
  model: 'claude-haiku-4-5-20251001',
  content: [{ type: 'text', text: 'Grüße' }],
  stop_reason: 'end_turn',
  stop_sequence: null,
  usage: { ...USAGE, output_tokens: 7 },
};
const EVENTS = [
  {
    type: 'message_start',
    message: { ...MESSAGE, content: [], stop_reason: null, usage: { ...USAGE, output_tokens: 1 } },
  },
  { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
  { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Grüße' } },
  { type: 'content_block_stop', index: 0 },
  {
    type: 'content_block_start',
    index: 1,
    content_block: { type: 'tool_use', id: 'toolu_bdrk_1', name: 'weather', input: {} },
  },
  { type: 'content_block_delta', index: 1, delta: { type: 'input_json_delta', partial_json: '{"city":' } },
  { type: 'content_block_delta', index: 1, delta: { type: 'input_json_delta', partial_json: '"Graz"}' } },
  { type: 'content_block_stop', index: 1 },
  {
    type: 'message_delta',
    delta: { stop_reason: 'tool_use', stop_sequence: null },
    usage: { output_tokens: 7 },
  },
  {
    type: 'message_stop',
    'amazon-bedrock-invocationMetrics': {
      inputTokenCount: 20,
      outputTokenCount: 7,
      invocationLatency: 900,
      firstByteLatency: 300,
      cacheReadInputTokenCount: 1000,
      cacheWriteInputTokenCount: 300,
    },
  },
];
const CHUNKS = EVENTS.map(chunk);
/** USD for a million at a geography's profile: 1.1, 0.11, 1.375 and 2.2, 5.5; times the tokens above, in nano-dollars. */
const COST = 20 * 1_100 + 1000 * 110 + 100 * 1_375 + 200 * 2_200 + 7 * 5_500;

let rehearsal: Rehearsal;
let bedrock: FakeBedrock;
let account: CreatedAccount;
let client: Anthropic;
const saved = { ...process.env };

beforeAll(async () => {
  bedrock = await FakeBedrock.start();
  Object.assign(process.env, {
    AWS_ACCESS_KEY_ID: 'AKIASIMENVIRONMENT00',
    AWS_SECRET_ACCESS_KEY: 'simulator-secret-AKIASIMENVIRONMENT00',
    AWS_ENDPOINT_URL_STS: bedrock.url,
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_CONFIG_FILE: '/nonexistent',
    AWS_SHARED_CREDENTIALS_FILE: '/nonexistent',
  });
  rehearsal = await Rehearsal.start();
  account = await accountWith({ region: REGION, apiKey: 'bedrock-api-key-sim-1' });
  client = await clientOf(account);
});
afterEach(async () => {
  await rehearsal.quiet();
  await admin(rehearsal.url, 'POST', `/accounts/${account.id}/clear-cooldowns`);
  bedrock.clear();
});
afterAll(async () => {
  await rehearsal.close();
  await bedrock.close();
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name];
  Object.assign(process.env, saved);
});

const accountWith = (credentials: object, more: object = {}): Promise<CreatedAccount> =>
  rehearsal.bedrockAccount({ baseUrl: bedrock.url, credentials, ...more });

async function clientOf({ id }: CreatedAccount): Promise<Anthropic> {
  const { key } = await rehearsal.key({ accounts: [id] });
  return new Anthropic({ baseURL: rehearsal.url, apiKey: key, maxRetries: 0 });
}

const ask = { model: MODEL, max_tokens: 50, messages: [{ role: 'user' as const, content: 'Hi' }] };

async function failureOf(asked: PromiseLike<unknown>): Promise<InstanceType<typeof Anthropic.APIError>> {
  const failure: unknown = await asked.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (failure instanceof Anthropic.APIError) return failure;
  throw new Error(`It did not fail as expected: ${String(failure)}`);
}

describe('a Bedrock account behind the claude door', () => {
  it('serves a message by InvokeModel, and counts its tokens and its cost', async () => {
    bedrock.answer = document(MESSAGE);
    const { data, response } = await client.messages.create(ask).withResponse();
    expect(data).toMatchObject(MESSAGE);
    expect(response.headers.get('x-relay-edits')).toBe('bedrock-envelope,model');
    expect(response.headers.get('request-id')).toBe('aws-1');
    const { path, body, headers, signedBy } = bedrock.last;
    expect([path, signedBy]).toEqual([`${PATH}/invoke`, 'bearer bedrock-api-key-sim-1']);
    expect(JSON.parse(body)).toEqual({
      anthropic_version: 'bedrock-2023-05-31',
      max_tokens: 50,
      messages: ask.messages,
    });
    for (const name of ['x-api-key', 'anthropic-version', 'x-stainless-lang'])
      expect(headers).not.toHaveProperty(name);
    expect(await rehearsal.lastRow()).toMatchObject({
      outcome: 'completed',
      input_tokens: '20',
      cache_read_tokens: '1000',
      cache_write_5m_tokens: '100',
      cache_write_1h_tokens: '200',
      output_tokens: '7',
      cost_nanos: String(COST),
      upstream_request_id: 'aws-1',
    });
  });

  it('serves a stream with a tool call, event by event, and counts the same', async () => {
    bedrock.answer = stream(...CHUNKS);
    const events: unknown[] = [];
    const answer = client.messages
      .stream(ask)
      .on('streamEvent', (event) => events.push(structuredClone(event)));
    const final = await answer.finalMessage();
    expect(events).toEqual(EVENTS);
    expect(final.content).toMatchObject([{ text: 'Grüße' }, { name: 'weather', input: { city: 'Graz' } }]);
    expect(bedrock.last.path).toBe(`${PATH}/invoke-with-response-stream`);
    expect(JSON.parse(bedrock.last.body)).not.toHaveProperty('stream');
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'completed', cost_nanos: String(COST) });
  });

  it('counts tokens by CountTokens', async () => {
    bedrock.answer = document({ inputTokens: 11 });
    const { max_tokens: _most, ...counted } = ask;
    expect(await client.messages.countTokens(counted)).toMatchObject({ input_tokens: 11 });
    expect(bedrock.last.path).toBe(`${PATH}/count-tokens`);
    const { input } = JSON.parse(bedrock.last.body) as { input: { invokeModel: { body: string } } };
    expect(JSON.parse(Buffer.from(input.invokeModel.body, 'base64').toString())).toMatchObject({
      anthropic_version: 'bedrock-2023-05-31',
      messages: ask.messages,
    });
  });

  it('puts the betas that Bedrock takes into the body, and tells that others were left out', async () => {
    bedrock.answer = document(MESSAGE);
    const betas = ['context-1m-2025-08-07', 'files-api-2025-04-14'];
    const { response } = await client.beta.messages.create({ ...ask, betas }).withResponse();
    expect(JSON.parse(bedrock.last.body)).toMatchObject({ anthropic_beta: ['context-1m-2025-08-07'] });
    expect(response.headers.get('x-relay-edits')).toBe('bedrock-envelope,model,betas');
  });

  it('lists the models of the table', async () => {
    const page = await client.models.list({ limit: 1000 });
    expect(page.data.map(({ id }) => id)).toEqual(expect.arrayContaining([MODEL, 'claude-opus-5-5']));
    expect(bedrock.asked).toEqual([]);
  });

  it('is tried by its test with one small request', async () => {
    bedrock.answer = document({ output: {}, usage: {} });
    const answer = await admin(rehearsal.url, 'POST', `/accounts/${account.id}/test`);
    expect(answer.body).toMatchObject({
      verdict: 'ok',
      model: expect.stringContaining('claude-haiku-4-5') as string,
    });
    expect(bedrock.last.path).toMatch(/\/converse$/);
  });
});

describe('what AWS refuses', () => {
  it("is the caller's in Anthropic's words", async () => {
    bedrock.answer = refusal(400, 'ValidationException', 'messages: at least one message is required');
    const failure = await failureOf(client.messages.create(ask));
    expect(failure.status).toBe(400);
    expect(failure.error).toEqual({
      type: 'error',
      error: { type: 'invalid_request_error', message: 'messages: at least one message is required' },
      request_id: 'aws-1',
    });
  });

  it.each([
    [429, 'ThrottlingException', 'Too many requests', 429, 'rate_limit_error'],
    [503, 'ServiceUnavailableException', 'Try again', 529, 'overloaded_error'],
    [408, 'ModelTimeoutException', 'Timed out', 504, 'timeout_error'],
  ])('%d %s becomes %s %d %s', async (status, name, text, told, type) => {
    bedrock.answer = refusal(status, name, text);
    const failure = await failureOf(client.messages.create(ask));
    expect([failure.status, failure.type]).toEqual([told, type]);
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'failed' });
  });

  it.each([
    [403, 'UnrecognizedClientException', 'The security token included in the request is invalid.'],
    [403, 'AccessDeniedException', 'Authentication failed: Please make sure your API Key is valid.'],
    [403, 'AccessDeniedException', "You don't have access to the model with the specified model ID."],
  ])('is the account’s and never the client’s: %d %s %s', async (status, name, text) => {
    bedrock.answer = refusal(status, name, text);
    const failure = await failureOf(client.messages.create(ask));
    expect(failure.status).toBe(503);
    expect(failure.message).not.toContain(text);
  });
});

describe('a stream from Bedrock that goes wrong', () => {
  it.each([
    ['throttlingException', 'rate_limit_error'],
    ['modelStreamErrorException', 'api_error'],
    ['serviceUnavailableException', 'overloaded_error'],
  ])('with %s ends with %s', async (name, type) => {
    bedrock.answer = stream(...CHUNKS.slice(0, 3), exception(name, 'No more'));
    const failure = await failureOf(client.messages.stream(ask).finalMessage());
    expect(failure.error).toMatchObject({ error: { type, message: 'No more' } });
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'partial', reason: type, input_tokens: '20' });
  });

  const wrongCrc = (): Buffer => {
    const bad = Buffer.from(CHUNKS[3]!);
    bad[bad.length - 8]! ^= 1;
    return bad;
  };
  const fourGigabytes = (): Buffer => {
    const prelude = Buffer.alloc(12);
    prelude.writeUInt32BE(4_294_967_295, 0);
    prelude.writeUInt32BE(crc32(prelude.subarray(0, 8)), 8);
    return prelude;
  };
  it.each([
    ['a wrong checksum', wrongCrc()],
    ['a message of 4 GB', fourGigabytes()],
    ['garbage', Buffer.from('<html>garbage</html>')],
    ['half a message', CHUNKS[3]!.subarray(0, 20)],
    ['a clean end', Buffer.alloc(0)],
  ])('by %s is told as an error', async (_, broken) => {
    bedrock.answer = stream(...CHUNKS.slice(0, 3), broken);
    const failure = await failureOf(client.messages.stream(ask).finalMessage());
    expect(failure.error).toMatchObject({ type: 'error' });
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'partial', input_tokens: '20' });
  });

  it('by a client that leaves is cut at Bedrock, too', async () => {
    bedrock.answer = (response) => {
      response.writeHead(200, { 'content-type': 'application/vnd.amazon.eventstream' });
      response.write(CHUNKS[0]);
    };
    const answer = await client.messages.create({ ...ask, stream: true });
    for await (const _event of answer) break;
    await eventually(() => expect(bedrock.last.left).toBe(true));
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'client-left' });
  });
});

describe('how an account proves itself', () => {
  it('signs with its keys, and with a session token, for any model id', async () => {
    bedrock.answer = document(MESSAGE);
    const arn = 'arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3';
    const accessKeyId = 'ASIASIMKEYS000000001';
    const credentials = {
      region: REGION,
      accessKeyId,
      secretAccessKey: `simulator-secret-${accessKeyId}`,
      sessionToken: 'sim-session-1',
    };
    const own = await accountWith(credentials, { models: { map: { 'claude-team': arn } } });
    await (await clientOf(own)).messages.create({ ...ask, model: 'claude-team' });
    const { path, signedBy, headers } = bedrock.last;
    expect([path, signedBy]).toEqual([`/model/${encodeURIComponent(arn)}/invoke`, accessKeyId]);
    expect(headers['x-amz-security-token']).toBe('sim-session-1');
  });

  it('finds its keys in the environment where it names none', async () => {
    bedrock.answer = document(MESSAGE);
    const found = await accountWith({ region: REGION });
    await (await clientOf(found)).messages.create(ask);
    expect(bedrock.last.signedBy).toBe('AKIASIMENVIRONMENT00');
  });

  const assumed = (accessKeyId: string, secret: string, expires: Date): void => {
    bedrock.secrets.set(accessKeyId, secret);
    bedrock.assumeRole = (response) => {
      response.writeHead(200, { 'content-type': 'text/xml' });
      response.end(
        `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
         <AccessKeyId>${accessKeyId}</AccessKeyId><SecretAccessKey>${secret}</SecretAccessKey>
         <SessionToken>sim-session-${accessKeyId}</SessionToken><Expiration>${expires.toISOString()}</Expiration>
         </Credentials></AssumeRoleResult></AssumeRoleResponse>`,
      );
    };
  };
  const inAnHour = (): Date => new Date(Date.now() + 3_600_000);
  const asksOfSts = () => bedrock.asked.filter(({ path }) => path === '/');

  it('assumes its role once for many calls, and anew after an edit', async () => {
    bedrock.answer = document(MESSAGE);
    assumed('ASIASIMROLE000000001', 'one', inAnHour());
    const acting = await accountWith({ region: REGION, roleArn: ROLE });
    const calls = await clientOf(acting);
    await Promise.all([1, 2, 3].map(() => calls.messages.create(ask)));
    expect(asksOfSts()).toHaveLength(1);
    expect(asksOfSts()[0]!.body).toContain(`RoleArn=${encodeURIComponent(ROLE)}`);
    expect(asksOfSts()[0]!.signedBy).toBe('AKIASIMENVIRONMENT00');
    expect(bedrock.last.signedBy).toBe('ASIASIMROLE000000001');
    expect(bedrock.last.headers['x-amz-security-token']).toBe('sim-session-ASIASIMROLE000000001');

    assumed('ASIASIMROLE000000002', 'two', inAnHour());
    await admin(rehearsal.url, 'PATCH', `/accounts/${acting.id}`, {
      credentials: { region: REGION, roleArn: `${ROLE}2` },
    });
    await eventually(async () => {
      await calls.messages.create(ask);
      expect(bedrock.last.signedBy).toBe('ASIASIMROLE000000002');
    });
  });

  it('assumes its role again before the session ends', async () => {
    bedrock.answer = document(MESSAGE);
    assumed('ASIASIMSHORT00000001', 'one', new Date(Date.now() + 20_000));
    const acting = await accountWith({ region: REGION, roleArn: `${ROLE}-short` });
    const calls = await clientOf(acting);
    await calls.messages.create(ask);
    assumed('ASIASIMSHORT00000002', 'two', inAnHour());
    await calls.messages.create(ask);
    expect(bedrock.last.signedBy).toBe('ASIASIMSHORT00000002');
  });

  it('is at fault when no keys are found, and says nothing of them', async () => {
    bedrock.assumeRole = (response) => {
      response.writeHead(403, { 'content-type': 'text/xml' });
      response.end(
        '<ErrorResponse><Error><Code>AccessDenied</Code><Message>AKIASIMENVIRONMENT00 may not</Message></Error></ErrorResponse>',
      );
    };
    const acting = await accountWith({ region: REGION, roleArn: `${ROLE}-refused` });
    const failure = await failureOf((await clientOf(acting)).messages.create(ask));
    expect(failure.status).toBe(503);
    expect(failure.message).toContain('no AWS credentials');
    expect(failure.message).not.toContain('AKIASIM');
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'failed', reason: 'account-fault' });
    const answer = await admin(rehearsal.url, 'POST', `/accounts/${acting.id}/test`);
    expect(answer.body).toMatchObject({ verdict: 'credential', status: null });
  });

  it('is at fault when its profile is not there', async () => {
    const lost = await accountWith({ region: REGION, profile: 'nobody' });
    const failure = await failureOf((await clientOf(lost)).messages.create(ask));
    expect([failure.status, bedrock.asked.length]).toEqual([503, 0]);
  });
});

describe('a Bedrock account’s settings', () => {
  it('are refused where they make no host or no one identity', async () => {
    const create = (credentials: object) =>
      admin(rehearsal.url, 'POST', '/accounts', { name: 'x', kind: 'bedrock', credentials });
    for (const credentials of [
      { region: 'evil.example/', apiKey: 'k' },
      { region: REGION, apiKey: 'k', profile: 'p' },
    ]) {
      expect((await create(credentials)).status).toBe(400);
    }
  });

  it('need no address: the region has one', async () => {
    const body = {
      name: 'at-home',
      kind: 'bedrock',
      enabled: false,
      credentials: { region: 'eu-west-1', apiKey: 'k' },
    };
    const answer = await admin(rehearsal.url, 'POST', '/accounts', body);
    expect(answer.status).toBe(201);
    expect(answer.body).toMatchObject({ baseUrl: null });
    expect(ID).toContain(MODEL);
  });
});
