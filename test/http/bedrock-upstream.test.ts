import Anthropic from '@anthropic-ai/sdk';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventStreamCodec } from '@smithy/eventstream-codec';
import { eventually } from '../support/eventually.ts';
import { admin, type CreatedAccount, Rehearsal } from '../support/relay.ts';
import { lastSeen } from '../support/simulated-calls.ts';

/**
 * Accounts at Bedrock behind the claude door. The simulator verifies every signature, and refuses what InvokeModel refuses
 * (test/http/simulator-bedrock.test.ts holds it against AWS' own SDK).
 */
const MODEL = 'claude-haiku-4-5';
const ID = 'us.anthropic.claude-haiku-4-5-20251001-v1:0';
const PATH = '/model/us.anthropic.claude-haiku-4-5-20251001-v1%3A0';
const REGION = 'us-east-1';
const ROLE = 'arn:aws:iam::123456789012:role/relay';

const USED = 'input-tokens=20 cached-tokens=1000 output-tokens=7';
/** What the cache writes of it: 200 tokens for an hour, then 100 for five minutes. */
const SYSTEM: Anthropic.TextBlockParam[] = [
  { type: 'text', text: 'h'.repeat(800), cache_control: { type: 'ephemeral', ttl: '1h' } },
  { type: 'text', text: 'm'.repeat(400), cache_control: { type: 'ephemeral' } },
];
/** USD for a million at a geography's profile: 1.1, 0.11, 1.375 and 2.2, 5.5; times the tokens above, in nano-dollars. */
const COST = 20 * 1_100 + 1000 * 110 + 100 * 1_375 + 200 * 2_200 + 7 * 5_500;

let rehearsal: Rehearsal;
let account: CreatedAccount;
let client: Anthropic;
let folder: string;
const saved = { ...process.env };

beforeAll(async () => {
  rehearsal = await Rehearsal.start();
  folder = await mkdtemp(join(tmpdir(), 'aws-'));
  const keys = (id: string): string =>
    `aws_access_key_id = ${id}\naws_secret_access_key = simulator-secret-${id}\n`;
  await writeFile(
    join(folder, 'credentials'),
    `[plain]\n${keys('AKIASIMPROFILE')}[acting]\nrole_arn = ${ROLE}\nsource_profile = plain\n`,
  );
  Object.assign(process.env, {
    AWS_ACCESS_KEY_ID: 'AKIASIMENVIRONMENT00',
    AWS_SECRET_ACCESS_KEY: 'simulator-secret-AKIASIMENVIRONMENT00',
    AWS_ENDPOINT_URL_STS: `${rehearsal.simulator.url}/sts`,
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_CONFIG_FILE: '/nonexistent',
    AWS_SHARED_CREDENTIALS_FILE: join(folder, 'credentials'),
  });
  account = await accountWith({ region: REGION, apiKey: 'bedrock-api-key-sim-1' });
  client = await clientOf(account);
});
afterEach(async () => {
  await rehearsal.quiet();
  await admin(rehearsal.url, 'POST', `/accounts/${account.id}/clear-cooldowns`);
  rehearsal.simulator.clear();
});
afterAll(async () => {
  await rehearsal.close();
  await rm(folder, { recursive: true });
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name];
  Object.assign(process.env, saved);
});

const accountWith = (credentials: object, more: object = {}): Promise<CreatedAccount> =>
  rehearsal.bedrockAccount({ credentials, ...more });

async function clientOf({ id }: CreatedAccount): Promise<Anthropic> {
  const { key } = await rehearsal.key({ accounts: [id] });
  return new Anthropic({ baseURL: rehearsal.url, apiKey: key, maxRetries: 0 });
}

const asking = (directive: string, more: Partial<Anthropic.MessageCreateParamsNonStreaming> = {}) => ({
  model: MODEL,
  max_tokens: 50,
  messages: [{ role: 'user' as const, content: `Hi[[sim: ${directive}]]` }],
  ...more,
});
const ask = asking('say=Hello');

const last = () => lastSeen(rehearsal.simulator);
const lastBody = () => JSON.parse(last().body.toString()) as Record<string, unknown>;

async function failureOf(asked: PromiseLike<unknown>): Promise<InstanceType<typeof Anthropic.APIError>> {
  const failure: unknown = await asked.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (failure instanceof Anthropic.APIError) return failure;
  throw new Error(`It did not fail as expected: ${String(failure)}`);
}

/** The events of what the simulator sent last, by AWS' own decoder. */
function sentEvents(): Record<string, unknown>[] {
  const codec = new EventStreamCodec(
    (bytes) => (typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString()),
    (text) => Buffer.from(text),
  );
  const events: Record<string, unknown>[] = [];
  for (let rest = last().answer; rest.length > 0; rest = rest.subarray(rest.readUInt32BE(0))) {
    const { body } = codec.decode(rest.subarray(0, rest.readUInt32BE(0)));
    const { bytes } = JSON.parse(Buffer.from(body).toString()) as { bytes: string };
    events.push(JSON.parse(Buffer.from(bytes, 'base64').toString()) as Record<string, unknown>);
  }
  return events;
}

describe('a Bedrock account behind the claude door', () => {
  it('serves a message by InvokeModel, and counts its tokens and its cost', async () => {
    const asked = asking(`say="Grüße" ${USED}`, { system: SYSTEM });
    const { data, response } = await client.messages.create(asked).withResponse();
    expect(data).toEqual(JSON.parse(last().answer.toString()));
    expect(data).toMatchObject({ content: [{ type: 'text', text: 'Grüße' }], stop_reason: 'end_turn' });
    expect(response.headers.get('x-relay-edits')).toBe('bedrock-envelope,model');
    expect(response.headers.get('request-id')).toBe(last().requestId);
    const { url, headers, credential } = last();
    expect([url, credential]).toEqual([`${PATH}/invoke`, 'bedrock-api-key-sim-1']);
    const { model: _model, ...body } = asked;
    expect(lastBody()).toEqual({ anthropic_version: 'bedrock-2023-05-31', ...body });
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
      upstream_request_id: last().requestId,
    });
  });

  it('serves a stream with a tool call, event by event, and counts the same', async () => {
    const input_schema = { type: 'object' as const, properties: { city: { type: 'string' } } };
    const asked = asking(`say="Grüße" tool=weather ${USED}`, {
      system: SYSTEM,
      tools: [{ name: 'weather', input_schema }],
    });
    const events: unknown[] = [];
    const answer = client.messages
      .stream(asked)
      .on('streamEvent', (event) => events.push(structuredClone(event)));
    const final = await answer.finalMessage();
    expect(events).toEqual(sentEvents());
    expect(final.content).toMatchObject([
      { text: 'Grüße' },
      { name: 'weather', input: { city: expect.stringContaining('é🙂') as unknown } },
    ]);
    expect(last().url).toBe(`${PATH}/invoke-with-response-stream`);
    expect(lastBody()).not.toHaveProperty('stream');
    const row = await rehearsal.lastRow();
    // The tool is part of what the hour's cache was given.
    expect(row).toMatchObject({ outcome: 'completed', input_tokens: '20', output_tokens: '7' });
    expect([row['cache_read_tokens'], row['cache_write_5m_tokens']]).toEqual(['1000', '100']);
  });

  it('believes the metrics where the stream’s events tell no usage', async () => {
    const asked = { ...asking(`say=Hello usage=missing ${USED}`), stream: true as const };
    const types: string[] = [];
    for await (const { type } of await client.messages.create(asked)) types.push(type);
    expect(types.at(-1)).toBe('message_stop');
    expect(await rehearsal.lastRow()).toMatchObject({
      input_tokens: '20',
      cache_read_tokens: '1000',
      output_tokens: '7',
      estimated: false,
    });
  });

  it('counts tokens by CountTokens', async () => {
    const { max_tokens: _most, ...counted } = asking('input-tokens=11');
    expect(await client.messages.countTokens(counted)).toMatchObject({ input_tokens: 11 });
    expect(last().url).toBe(`${PATH}/count-tokens`);
    const { input } = lastBody() as { input: { invokeModel: { body: string } } };
    expect(JSON.parse(Buffer.from(input.invokeModel.body, 'base64').toString())).toMatchObject({
      anthropic_version: 'bedrock-2023-05-31',
      messages: counted.messages,
    });
  });

  it('puts the betas that Bedrock takes into the body, and tells that others were left out', async () => {
    const betas = ['context-1m-2025-08-07', 'files-api-2025-04-14'];
    const { response } = await client.beta.messages.create({ ...ask, betas }).withResponse();
    expect(lastBody()).toMatchObject({ anthropic_beta: ['context-1m-2025-08-07'] });
    expect(response.headers.get('x-relay-edits')).toBe('bedrock-envelope,model,betas');
  });

  it('lists the models of the table', async () => {
    const page = await client.models.list({ limit: 1000 });
    expect(page.data.map(({ id }) => id)).toEqual(expect.arrayContaining([MODEL, 'claude-opus-5-5']));
    expect(rehearsal.simulator.requests).toEqual([]);
  });

  it('is tried by its test with one small request', async () => {
    const answer = await admin(rehearsal.url, 'POST', `/accounts/${account.id}/test`);
    expect(answer.body).toMatchObject({
      verdict: 'ok',
      model: expect.stringContaining('claude-haiku-4-5') as string,
    });
    expect(last().operation).toBe('bedrock:converse');
  });
});

describe('what AWS refuses', () => {
  it("is the caller's in Anthropic's words", async () => {
    const message = 'messages: at least one message is required';
    const failure = await failureOf(client.messages.create({ ...ask, messages: [] }));
    expect(failure.status).toBe(400);
    expect(failure.error).toEqual({
      type: 'error',
      error: { type: 'invalid_request_error', message },
      request_id: last().requestId,
    });
  });

  it.each([
    ['status=429 message="Too many requests"', 429, 'rate_limit_error'],
    ['status=503', 503, 'overloaded_error'],
    ['status=408', 408, 'timeout_error'],
    ['status=424', 424, 'api_error'],
  ])('%s is %d %s', async (directive, told, type) => {
    const failure = await failureOf(client.messages.create(asking(directive)));
    expect([failure.status, failure.type]).toEqual([told, type]);
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'failed' });
  });

  it.each([
    'status=403 type=UnrecognizedClientException message="The security token is invalid."',
    'status=403 reason=bad-key',
    'status=403',
    'status=404 reason=use-case-form',
  ])('is the account’s and never the client’s: %s', async (directive) => {
    const failure = await failureOf(client.messages.create(asking(directive)));
    expect(failure.status).toBe(503);
    const { message } = JSON.parse(last().answer.toString()) as { message: string };
    expect(failure.message).not.toContain(message);
  });
});

describe('a stream from Bedrock that goes wrong', () => {
  const answering = (more: string) => asking(`say="one two three four" deltas=4 ${USED} ${more}`);

  it.each([
    ['ThrottlingException', 'rate_limit_error'],
    ['ModelStreamErrorException', 'api_error'],
    ['ServiceUnavailableException', 'overloaded_error'],
  ])('with %s ends with %s', async (name, type) => {
    const asked = answering(`error=3 type=${name} message="No more"`);
    const failure = await failureOf(client.messages.stream(asked).finalMessage());
    expect(failure.error).toMatchObject({ error: { type, message: 'No more' } });
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'partial', reason: type, input_tokens: '20' });
  });

  it('with an error that AWS documents nowhere ends with it', async () => {
    const asked = answering('error=3 code=InternalFailure message="No more"');
    const failure = await failureOf(client.messages.stream(asked).finalMessage());
    expect(failure.error).toMatchObject({ error: { type: 'api_error', message: 'No more' } });
  });

  it.each(['bad-crc=3', 'giant=3', 'torn=3', 'end=3', 'reset=3'])(
    'by %s is told as an error',
    async (fault) => {
      const failure = await failureOf(client.messages.stream(answering(`every=1 ${fault}`)).finalMessage());
      expect(failure.error).toMatchObject({ type: 'error' });
      expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'partial', input_tokens: '20' });
    },
  );

  it('by a client that leaves is read on at Bedrock, which bills it in full, and booked in full', async () => {
    const answer = await client.messages.create({ ...asking('deltas=20 every=20'), stream: true });
    for await (const _event of answer) break;
    await eventually(() => expect(last().ended).toBe('finished'));
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'client-left', estimated: false });
  });
});

describe('how an account proves itself', () => {
  const asksOfSts = () => rehearsal.simulator.requests.filter(({ url }) => url.startsWith('/sts'));

  it('signs with its keys, and with a session token, for any model id', async () => {
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
    const { url, credential, headers } = last();
    expect([url, credential]).toEqual([`/model/${encodeURIComponent(arn)}/invoke`, accessKeyId]);
    expect(headers['x-amz-security-token']).toBe('sim-session-1');
  });

  it.each([
    ['a secret that is wrong', { accessKeyId: 'AKIASIMWRONG00000001', secretAccessKey: 'wrong' }],
    ['an unknown key', { accessKeyId: 'AKIAOTHER00000000001', secretAccessKey: 'any' }],
    ['an API key that is wrong', { apiKey: 'other' }],
  ])('is at fault with %s', async (_, credentials) => {
    const wrong = await accountWith({ region: REGION, ...credentials });
    const failure = await failureOf((await clientOf(wrong)).messages.create(ask));
    expect([failure.status, last().status]).toEqual([503, 403]);
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'failed' });
  });

  it('finds its keys in the environment where it names none', async () => {
    const found = await accountWith({ region: REGION });
    await (await clientOf(found)).messages.create(ask);
    expect(last().credential).toBe('AKIASIMENVIRONMENT00');
  });

  it('finds them in its profile, and assumes the role that a profile names', async () => {
    const plain = await accountWith({ region: REGION, profile: 'plain' });
    await (await clientOf(plain)).messages.create(ask);
    expect(last().credential).toBe('AKIASIMPROFILE');
    const acting = await accountWith({ region: REGION, profile: 'acting' });
    await (await clientOf(acting)).messages.create(ask);
    expect(last().credential).toMatch(/^ASIASIMROLE/);
    expect(asksOfSts()).toMatchObject([{ status: 200, credential: 'AKIASIMPROFILE' }]);
  });

  it('reads its profile anew after an edit', async () => {
    const file = join(folder, 'credentials');
    const before = await readFile(file, 'utf8');
    const moved = await accountWith({ region: REGION, profile: 'plain' });
    const calls = await clientOf(moved);
    await calls.messages.create(ask);
    expect(last().credential).toBe('AKIASIMPROFILE');
    await writeFile(file, before.replaceAll('AKIASIMPROFILE', 'AKIASIMROTATED'));
    try {
      await admin(rehearsal.url, 'PATCH', `/accounts/${moved.id}`, {
        credentials: { region: REGION, profile: 'plain' },
      });
      await eventually(async () => {
        await calls.messages.create(ask);
        expect(last().credential).toBe('AKIASIMROTATED');
      });
    } finally {
      await writeFile(file, before);
    }
  });

  it('assumes its role once for many calls, and anew after an edit', async () => {
    const acting = await accountWith({ region: REGION, roleArn: ROLE });
    const calls = await clientOf(acting);
    await Promise.all([1, 2, 3].map(() => calls.messages.create(ask)));
    expect(asksOfSts()).toMatchObject([{ status: 200, credential: 'AKIASIMENVIRONMENT00' }]);
    expect(asksOfSts()[0]!.body.toString()).toContain(`RoleArn=${encodeURIComponent(ROLE)}`);
    const { credential, headers } = last();
    expect(credential).toMatch(/^ASIASIMROLE/);
    expect(headers['x-amz-security-token']).toBe(`sim-session-${credential}`);

    await admin(rehearsal.url, 'PATCH', `/accounts/${acting.id}`, {
      credentials: { region: REGION, roleArn: `${ROLE}2` },
    });
    await eventually(async () => {
      await calls.messages.create(ask);
      expect(last().credential).toMatch(/^ASIASIMROLE/);
      expect(last().credential).not.toBe(credential);
    });
    expect(asksOfSts()).toHaveLength(2);
  });

  it('assumes its role again before the session ends', async () => {
    rehearsal.simulator.plan({ path: '/sts/', times: 1, fault: { expiresIn: 20 } });
    const acting = await accountWith({ region: REGION, roleArn: `${ROLE}-short` });
    const calls = await clientOf(acting);
    await calls.messages.create(ask);
    const first = last().credential;
    await calls.messages.create(ask);
    expect([asksOfSts().length, last().credential === first]).toEqual([2, false]);
  });

  it('is at fault when no keys are found, and says nothing of them', async () => {
    rehearsal.simulator.plan({ path: '/sts/', fault: { status: 403, echo: true } });
    const acting = await accountWith({ region: REGION, roleArn: `${ROLE}-refused` });
    const failure = await failureOf((await clientOf(acting)).messages.create(ask));
    expect(failure.status).toBe(503);
    expect(failure.message).toContain('no AWS credentials');
    expect(asksOfSts()[0]?.answer.toString()).toContain('AKIASIM');
    expect(failure.message).not.toContain('AKIASIM');
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'failed', reason: 'account-fault' });
    const answer = await admin(rehearsal.url, 'POST', `/accounts/${acting.id}/test`);
    expect(answer.body).toMatchObject({ verdict: 'credential', status: null });
  });

  it('is at fault when its profile is not there', async () => {
    const lost = await accountWith({ region: REGION, profile: 'nobody' });
    const failure = await failureOf((await clientOf(lost)).messages.create(ask));
    expect([failure.status, rehearsal.simulator.requests.length]).toEqual([503, 0]);
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
