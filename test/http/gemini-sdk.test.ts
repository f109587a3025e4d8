import { ApiError, type Content, FunctionCallingConfigMode, GoogleGenAI } from '@google/genai';
import type { SimulatedRequest } from '../../src/simulator/simulator.ts';
import { eventually } from '../support/eventually.ts';
import { closeLentDispatcher } from '../support/genai.ts';
import { Rehearsal } from '../support/relay.ts';
import { onWire } from '../support/wire-client.ts';

/** Google's own SDK, unmodified, with nothing changed but base URL and key; and what only bare HTTP can ask. */

const MODEL = 'gemini-2.5-flash';
/** Of the third generation, which insists on signatures. */
const SIGNING = 'gemini-3.5-flash';
const weather = {
  name: 'get_weather',
  description: 'Tells the weather',
  parametersJsonSchema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
};

let rehearsal: Rehearsal;
let key: string;
const credential = 'gemini-sim-sound';

beforeAll(async () => {
  rehearsal = await Rehearsal.start();
  await rehearsal.geminiAccount({ credentials: { apiKey: credential } });
  key = (await rehearsal.key()).key;
});
afterEach(async () => {
  await rehearsal.quiet();
  await rehearsal.recover();
  rehearsal.simulator.clear();
});
afterAll(async () => {
  await rehearsal.close();
  await closeLentDispatcher();
});

const make = (prefix = '', apiKey = key, apiVersion?: string) =>
  new GoogleGenAI({
    apiKey,
    httpOptions: { baseUrl: `${rehearsal.url}${prefix}` },
    ...(apiVersion === undefined ? {} : { apiVersion }),
  });

function lastSeen(): SimulatedRequest {
  const seen = rehearsal.simulator.requests.at(-1);
  if (seen === undefined) throw new Error('The simulator saw no request');
  return seen;
}

async function failureOf(asked: PromiseLike<unknown>): Promise<unknown> {
  const answer = await asked.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if (!('error' in answer)) throw new Error(`It did not fail: ${JSON.stringify(answer.value)}`);
  return answer.error;
}

async function drained<T>(stream: PromiseLike<AsyncIterable<T>>): Promise<T[]> {
  const frames: T[] = [];
  for await (const frame of await stream) frames.push(frame);
  return frames;
}

describe('@google/genai through the relay', () => {
  it.each(['', '/gemini'])('generates at "%s", and only the account’s key goes upstream', async (prefix) => {
    const answer = await make(prefix).models.generateContent({
      model: MODEL,
      contents: 'sixteen letters.[[sim: say="Guten Tag, Ada."]]',
    });
    expect(answer.text).toBe('Guten Tag, Ada.');
    expect(answer.candidates?.[0]?.finishReason).toBe('STOP');
    expect(answer.usageMetadata).toMatchObject({ promptTokenCount: 4, candidatesTokenCount: 3 });
    expect(lastSeen()).toMatchObject({
      url: `/v1beta/models/${MODEL}:generateContent`,
      credential,
      credentialIn: 'x-goog-api-key',
    });
    expect(`${lastSeen().url}\n${lastSeen().rawHeaders.join('\n')}`).not.toContain(key);
    expect(lastSeen().headers['x-goog-api-client']).toContain('google-genai-sdk/');
    expect(await rehearsal.lastRow()).toMatchObject({
      request_id: answer.sdkHttpResponse?.headers?.['x-relay-request-id'],
      outcome: 'completed',
      door: 'gemini',
      kind: 'gemini',
      stream: false,
      input_tokens: '4',
      output_tokens: '3',
    });
  });

  it('streams every frame, and books the last usage', async () => {
    const contents = 'sixteen letters.[[sim: say="naïve 🙂 text" deltas=4 split=utf8]]';
    const frames = await drained(make().models.generateContentStream({ model: MODEL, contents }));
    expect(frames.map((frame) => frame.text).join('')).toBe('naïve 🙂 text');
    expect(frames).toHaveLength(4);
    expect(frames.at(-1)?.candidates?.[0]?.finishReason).toBe('STOP');
    expect(lastSeen().url).toBe(`/v1beta/models/${MODEL}:streamGenerateContent?alt=sse`);
    expect(await rehearsal.lastRow()).toMatchObject({
      outcome: 'completed',
      stream: true,
      input_tokens: '4',
      output_tokens: '3',
      estimated: false,
    });
  });

  it.each([
    ['/gemini', 'v1'],
    ['/gemini', 'v1beta'],
    ['', 'v1beta'],
  ])('speaks under "%s" with the API version %s', async (prefix, version) => {
    const client = make(prefix, key, version);
    const answer = await client.models.generateContent({ model: MODEL, contents: '[[sim: say=here]]' });
    expect(answer.text).toBe('here');
    const names: (string | undefined)[] = [];
    for await (const one of await client.models.list({ config: { pageSize: 4 } })) names.push(one.name);
    expect(names).toContain(`models/${MODEL}`);
    expect(new Set(names).size).toBe(names.length);
    expect(names.length).toBeGreaterThan(8);
    await expect(client.models.get({ model: MODEL })).resolves.toMatchObject({ name: `models/${MODEL}` });
  });

  it('calls a function, and takes its response with the signature byte for byte', async () => {
    const tools = [{ functionDeclarations: [weather] }];
    const ask: Content = { role: 'user', parts: [{ text: 'get_weather in Łódź' }] };
    const frames = await drained(
      make().models.generateContentStream({ model: SIGNING, contents: [ask], config: { tools } }),
    );
    const part = frames
      .flatMap((frame) => frame.candidates?.[0]?.content?.parts ?? [])
      .find((one) => one.functionCall);
    expect(part?.functionCall).toMatchObject({ name: 'get_weather' });
    expect(part?.functionCall?.args?.['city']).toContain('é🙂');
    const second = (thoughtSignature: string) =>
      make().models.generateContent({
        model: SIGNING,
        contents: [
          ask,
          { role: 'model', parts: [{ ...part, thoughtSignature }] },
          {
            role: 'user',
            parts: [{ functionResponse: { name: 'get_weather', response: { sky: 'grey' } } }],
          },
        ],
        config: { tools },
      });
    const signature = part?.thoughtSignature ?? '';
    await expect(second(signature)).resolves.toMatchObject({ text: 'The function answered: {"sky":"grey"}' });
    // The simulator refuses any other signature, so the turn above came and went unchanged.
    await expect(second(`A${signature.slice(1)}`)).rejects.toMatchObject({ status: 400 });
  });

  it('forces a function by its mode', async () => {
    const forced = await make().models.generateContent({
      model: MODEL,
      contents: 'go',
      config: {
        tools: [{ functionDeclarations: [weather] }],
        toolConfig: { functionCallingConfig: { mode: FunctionCallingConfigMode.ANY } },
      },
    });
    expect(forced.functionCalls?.[0]?.name).toBe('get_weather');
  });

  it('shows thoughts, counts them as output, and takes their signature back', async () => {
    const config = { thinkingConfig: { includeThoughts: true } };
    const ask: Content = { role: 'user', parts: [{ text: 'why' }] };
    const frames = await drained(
      make().models.generateContentStream({ model: SIGNING, contents: [ask], config }),
    );
    const parts = frames.flatMap((frame) => frame.candidates?.[0]?.content?.parts ?? []);
    expect(parts.some((part) => part.thought === true)).toBe(true);
    const signed = parts.find((part) => part.thoughtSignature !== undefined);
    const signature = signed?.thoughtSignature ?? '';
    const usage = frames.at(-1)?.usageMetadata;
    expect(usage?.thoughtsTokenCount).toBeGreaterThan(0);
    expect(await rehearsal.lastRow()).toMatchObject({
      output_tokens: String((usage?.candidatesTokenCount ?? 0) + (usage?.thoughtsTokenCount ?? 0)),
      reasoning_tokens: String(usage?.thoughtsTokenCount),
    });

    const again = (thoughtSignature: string) =>
      make().models.generateContent({
        model: SIGNING,
        contents: [
          ask,
          { role: 'model', parts: [{ text: 'Because.', thoughtSignature }] },
          { role: 'user', parts: [{ text: 'and?' }] },
        ],
        config,
      });
    await expect(again(signature)).resolves.toMatchObject({ candidates: [{ finishReason: 'STOP' }] });
    await expect(again(`A${signature.slice(1)}`)).rejects.toMatchObject({ status: 400 });
  });

  it('counts tokens free of charge', async () => {
    await expect(
      make().models.countTokens({ model: MODEL, contents: 'sixteen letters.' }),
    ).resolves.toMatchObject({ totalTokens: 4 });
    expect(lastSeen().url).toBe(`/v1beta/models/${MODEL}:countTokens`);
    expect(await rehearsal.lastRow()).toMatchObject({
      lane: 'count',
      outcome: 'completed',
      input_tokens: '0',
      output_tokens: '0',
      cost_nanos: '0',
    });
  });

  it('embeds, which the SDK asks as a batch', async () => {
    const answer = await make().models.embedContent({
      model: 'gemini-embedding-001',
      contents: ['one', 'two'],
    });
    expect(answer.embeddings).toHaveLength(2);
    expect(answer.embeddings?.[0]?.values?.length).toBeGreaterThan(8);
    expect(lastSeen().url).toBe('/v1beta/models/gemini-embedding-001:batchEmbedContents');
    expect(await rehearsal.lastRow()).toMatchObject({ lane: 'generate', outcome: 'completed' });
  });

  it.each([400, 404, 429, 500, 503, 504])(
    'meets %i as an ApiError with its status, before and inside a stream',
    async (status) => {
      const ask = { model: MODEL, contents: `[[sim: status=${status}]]` };
      for (const asked of [
        make().models.generateContent(ask),
        make().models.generateContentStream(ask),
        drained(
          make().models.generateContentStream({
            model: MODEL,
            contents: `[[sim: error=2 status=${status}]]`,
          }),
        ),
      ]) {
        const error = await failureOf(asked);
        expect(error).toBeInstanceOf(ApiError);
        expect(error).toMatchObject({ status });
      }
      expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'partial', status: 200 });
    },
  );

  it('refuses a key that is wrong or closed to this door, and an unknown model, and asks nobody', async () => {
    const before = await rehearsal.rowCount();
    const ask = async (apiKey: string, model = MODEL) =>
      failureOf(make('', apiKey).models.generateContent({ model, contents: 'hi' }));
    expect(await ask(`rk_${'x'.repeat(43)}`)).toMatchObject({ name: 'ApiError', status: 401 });
    expect(await ask((await rehearsal.key({ scopes: ['claude'] })).key)).toMatchObject({ status: 403 });
    expect(await ask((await rehearsal.key({ models: ['gemini-2.5-pro'] })).key)).toMatchObject({
      status: 404,
    });
    expect(await ask(key, 'no-such-model')).toMatchObject({ status: 404 });
    expect(rehearsal.simulator.requests).toHaveLength(0);
    expect(await rehearsal.rowCount()).toBe(before);
  });

  it("never shows an account's trouble as the client's own: a bad key upstream is 503", async () => {
    const faults = [
      'status=400 reason=API_KEY_INVALID',
      'status=400 reason=FAILED_PRECONDITION',
      'status=401',
      'status=403 reason=CONSUMER_SUSPENDED',
    ];
    for (const [n, fault] of faults.entries()) {
      const model = `gemini-sim-fault-${n}`;
      const { id } = await rehearsal.geminiAccount({
        models: { map: { [model]: model }, allow: [] },
        priority: 1,
      });
      const bound = (await rehearsal.key({ accounts: [id] })).key;
      const client = make('', bound);
      const error = await failureOf(client.models.generateContent({ model, contents: `[[sim: ${fault}]]` }));
      expect(error).toMatchObject({ status: 503 });
      expect(String((error as Error).message)).toContain('UNAVAILABLE');
      expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'failed', account_id: id });
    }
  });

  it('tells a spent quota with its details, and a wait of its own', async () => {
    const body = JSON.stringify({
      contents: { parts: { text: '[[sim: status=429 quota=PerMinute retry-delay=3.5s]]' } },
    });
    const answer = await onWire(`${rehearsal.url}/v1beta/models/${MODEL}:generateContent`, {
      headers: { 'x-goog-api-key': key, 'content-type': 'application/json' },
      body,
    });
    expect(answer.status).toBe(429);
    expect(answer.headers['retry-after']).toBe('4');
    expect(answer.sha256).toBe(lastSeen().answerSha256);
    expect(answer.text).toContain('PerMinute');
  });

  it('passes a blocked prompt on, whose input still counts', async () => {
    const blocked = await make().models.generateContent({
      model: MODEL,
      contents: 'sixteen letters.[[sim: block=SAFETY]]',
    });
    expect(blocked.promptFeedback?.blockReason).toBe('SAFETY');
    expect(await rehearsal.lastRow()).toMatchObject({
      outcome: 'completed',
      input_tokens: '4',
      output_tokens: '0',
    });
  });

  it('meets a stream that breaks or ends early as an error', async () => {
    for (const [fault, reason] of [
      ['deltas=9 fin=4', 'reset'],
      ['deltas=9 end=4', 'truncated'],
    ]) {
      const asked = drained(
        make().models.generateContentStream({ model: MODEL, contents: `[[sim: ${fault}]]` }),
      );
      expect(await failureOf(asked)).toMatchObject({ name: 'ApiError', status: 502 });
      expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'partial', reason });
    }
    const early = make().models.generateContent({ model: MODEL, contents: '[[sim: reset=head]]' });
    expect(await failureOf(early)).toMatchObject({ name: 'ApiError', status: 502 });
  });

  it('aborts a stream: the upstream is left at once, and what was seen is booked', async () => {
    const abort = new AbortController();
    const stream = await make().models.generateContentStream({
      model: MODEL,
      contents: 'sixteen letters.[[sim: marker=leave deltas=500 every=10]]',
      config: { abortSignal: abort.signal },
    });
    let seen = 0;
    const read = (async () => {
      for await (const frame of stream) {
        void frame;
        seen += 1;
        if (seen === 3) abort.abort();
      }
    })();
    expect(await failureOf(read)).toMatchObject({ name: 'AbortError' });
    await eventually(() => expect(rehearsal.simulator.find('leave')?.ended).toBe('client-closed'));
    const row = await rehearsal.lastRow();
    expect(row).toMatchObject({ outcome: 'client-left', estimated: true, input_tokens: '4' });
    expect(Number(row['output_tokens'])).toBeGreaterThan(0);
    expect(BigInt(row['cost_nanos'] as string)).toBeGreaterThan(0n);
  });

  it('aborts a request that waits for its head: the upstream is left at once', async () => {
    const abort = new AbortController();
    const asked = make().models.generateContent({
      model: MODEL,
      contents: '[[sim: marker=pending hang=head]]',
      config: { abortSignal: abort.signal },
    });
    const error = failureOf(asked);
    await eventually(() => expect(rehearsal.simulator.inFlight(credential)).toBe(1));
    abort.abort();
    await error;
    await eventually(() => expect(rehearsal.simulator.find('pending')?.ended).toBe('client-closed'));
    expect(await rehearsal.lastRow()).toMatchObject({
      outcome: 'client-left',
      status: null,
      cost_nanos: '0',
    });
  });
});

describe('the Gemini API by bare HTTP', () => {
  const body = (text: string) => JSON.stringify({ contents: { parts: { text } } });
  const ask = (path: string, text: string, headers: Record<string, string> = { 'x-goog-api-key': key }) =>
    onWire(`${rehearsal.url}${path}`, {
      headers: { 'content-type': 'application/json', ...headers },
      body: body(text),
    });

  it.each(['', '/gemini'])('streams one JSON array where alt=sse is absent, at "%s"', async (prefix) => {
    const answer = await ask(
      `${prefix}/v1beta/models/${MODEL}:streamGenerateContent`,
      'sixteen letters.[[sim: say="a b c" deltas=3]]',
    );
    expect(answer.headers['content-type']).toMatch(/^application\/json/);
    expect(answer.sha256).toBe(lastSeen().answerSha256);
    expect(lastSeen().url).toBe(`/v1beta/models/${MODEL}:streamGenerateContent`);
    const list = JSON.parse(answer.text) as { candidates: { finishReason?: string }[] }[];
    expect(list).toHaveLength(3);
    expect(list.at(-1)?.candidates[0]?.finishReason).toBe('STOP');
    expect(await rehearsal.lastRow()).toMatchObject({
      outcome: 'completed',
      stream: true,
      input_tokens: '4',
      output_tokens: '3',
    });
  });

  it('keeps the array whole when the upstream breaks off: the error is its last element', async () => {
    const answer = await ask(`/v1beta/models/${MODEL}:streamGenerateContent`, '[[sim: deltas=9 end=3]]');
    const list = JSON.parse(answer.text) as { error?: { code: number; status: string } }[];
    expect(list).toHaveLength(4);
    expect(list.at(-1)?.error).toMatchObject({ code: 502, status: 'UNAVAILABLE' });
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'partial', reason: 'truncated' });
  });

  it.each([
    [`/v1beta/models/${MODEL}%3AgenerateContent`],
    [`/v1beta/models/${MODEL}%3agenerateContent`],
    [`/gemini/v1/models/${MODEL}%3AgenerateContent`],
    [`/gemini/v1/models/${MODEL}:generateContent`],
    ['/v1beta/tunedModels/sim-mine:generateContent'],
  ])('reads the path %s', async (path) => {
    const answer = await ask(path, '[[sim: say=read]]');
    expect(answer.status).toBe(200);
    expect(answer.text).toContain('read');
    const model = path.includes('tuned') ? 'tunedModels/sim-mine' : `models/${MODEL}`;
    expect(lastSeen().url).toBe(`/v1beta/${model}:generateContent`);
  });

  it('takes ?key=, alone or beside the same key in a header, and never sends it on', async () => {
    const path = `/v1beta/models/${MODEL}:streamGenerateContent`;
    const places: Record<string, string>[] = [
      {},
      { 'x-goog-api-key': key },
      { authorization: `Bearer ${key}` },
    ];
    for (const headers of places) {
      const answer = await ask(`${path}?key=${key}&alt=sse`, '[[sim: say=keyed]]', headers);
      expect(answer.status).toBe(200);
      expect(answer.headers['content-type']).toMatch(/^text\/event-stream/);
      expect(lastSeen().url).toBe(`${path}?alt=sse`);
      expect(lastSeen().rawHeaders.join('\n')).not.toContain(key);
      expect(lastSeen().credential).toBe(credential);
    }
    const listed = await onWire(`${rehearsal.url}/v1beta/models?key=${key}&pageSize=3`, { method: 'GET' });
    expect((JSON.parse(listed.text) as { models: unknown[] }).models).toHaveLength(3);
    const two = await ask(`${path}?key=rk_another`, 'hi');
    expect(two.status).toBe(401);
  });

  it('takes the whole call in snake_case', async () => {
    const answer = await onWire(`${rehearsal.url}/v1beta/models/${MODEL}:generateContent`, {
      headers: { 'x-goog-api-key': key, 'content-type': 'application/json' },
      body: '{"contents":[{"role":"user","parts":[{"text":"[[sim: deltas=9]]"}]}],"generation_config":{"max_output_tokens":2}}',
    });
    expect(JSON.parse(answer.text)).toMatchObject({ candidates: [{ finishReason: 'MAX_TOKENS' }] });
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'completed', output_tokens: '2' });
  });

  it.each([
    [`/v1beta/models/${MODEL}:deleteEverything`, 404],
    [`/v1beta/models/${MODEL}`, 404],
    ['/gemini/v1beta/elsewhere', 404],
    [`/v1beta/models/${MODEL}:generateContent?alt=sse`, 400],
    [`/v1beta/models/${MODEL}:generateContent?alt=proto`, 400],
    ['/v1beta/models/..%2Fmodels:generateContent', 400],
  ])("refuses %s with %i in Google's shape", async (path, status) => {
    const answer = await ask(path, 'hi');
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.text)).toMatchObject({
      error: { code: status, message: expect.any(String) as string, status: expect.any(String) as string },
    });
    expect(rehearsal.simulator.requests).toHaveLength(0);
  });
});
