import { createOpenAI } from '@ai-sdk/openai';
import { embedMany, generateText, jsonSchema, stepCountIs, streamText, tool } from 'ai';
import OpenAI from 'openai';
import { Rehearsal } from '../support/relay.ts';

/** OpenAI's clients, unmodified, on accounts of other vendors. */

const CLAUDE = 'claude-sonnet-5';
const GEMINI = 'gemini-3.5-flash';
const EMBEDDING = 'gemini-embedding-001';
const MODELS = [CLAUDE, GEMINI];
const parameters = {
  type: 'object' as const,
  properties: { city: { type: 'string' as const } },
  required: ['city'],
};
const WEATHER: OpenAI.ChatCompletionTool = { type: 'function', function: { name: 'weather', parameters } };

let rehearsal: Rehearsal;
let key: string;

beforeAll(async () => {
  rehearsal = await Rehearsal.start();
  await rehearsal.claudeAccount({ models: { allow: [CLAUDE] } });
  await rehearsal.geminiAccount({ models: { allow: [GEMINI, EMBEDDING] } });
  key = (await rehearsal.key()).key;
});
afterEach(async () => {
  await rehearsal.quiet();
  rehearsal.simulator.clear();
});
afterAll(() => rehearsal.close());

const sdk = () => new OpenAI({ baseURL: `${rehearsal.url}/v1`, apiKey: key, maxRetries: 0 });
const asked = (): string => rehearsal.simulator.requests.at(-1)!.body.toString();

interface Sent {
  readonly messages: readonly { readonly role: string; readonly content: Record<string, unknown>[] }[];
  readonly contents: readonly { readonly role: string; readonly parts: Record<string, unknown>[] }[];
}
const sent = (): Sent => JSON.parse(asked()) as Sent;

async function post(path: string, body: object) {
  const answer = await fetch(`${rehearsal.url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  return { status: answer.status, edits: answer.headers.get('x-relay-edits'), text };
}
const chat = (model: string, more: object = {}, content = 'Well?[[sim: say=Well. thinking-tokens=0]]') =>
  post('/v1/chat/completions', { model, messages: [{ role: 'user', content }], ...more });
const errorOf = (text: string) => (JSON.parse(text) as { error: { message: string; param: unknown } }).error;

describe('a chat completion by another vendor', () => {
  it('tells into which dialect it was translated, and what was left out', async () => {
    expect(await chat(CLAUDE)).toMatchObject({ status: 200, edits: 'translated:openai>anthropic' });
    const gemini = await chat(GEMINI, { user: 'ada', metadata: { team: 'x' } });
    expect(gemini).toMatchObject({ status: 200 });
    expect(gemini.edits?.split(',').sort()).toEqual([
      'left-out:metadata',
      'left-out:user',
      'translated:openai>gemini',
    ]);
    expect(asked()).not.toContain('ada');
  });

  it.each([
    ['logprobs', { logprobs: true }],
    ['logit_bias', { logit_bias: { 1: 1 } }],
    ['nonesuch', { nonesuch: 1 }],
    ['tools[0]', { tools: [{ type: 'custom', custom: { name: 'x' } }] }],
  ])('is refused for %s by that name, before anything is taken', async (field, more) => {
    const rows = await rehearsal.rowCount();
    for (const model of MODELS) {
      const answer = await chat(model, more);
      expect(answer.status).toBe(400);
      const { message, param } = errorOf(answer.text);
      expect(message.startsWith(`${field}: `)).toBe(true);
      expect(param).toBe(field);
    }
    expect(rehearsal.simulator.requests).toHaveLength(0);
    expect(await rehearsal.rowCount()).toBe(rows);
  });

  it('streams the usage only to who asks for it, and books it either way', async () => {
    for (const model of MODELS) {
      const quiet = await chat(model, { stream: true });
      expect(quiet.text).not.toContain('usage');
      expect(quiet.text.endsWith('data: [DONE]\n\n')).toBe(true);
      expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'completed', estimated: false });
      const told = await chat(model, { stream: true, stream_options: { include_usage: true } });
      const last = told.text.split('\n\n').at(-3)!;
      expect(JSON.parse(last.replace('data: ', ''))).toMatchObject({
        choices: [],
        usage: { prompt_tokens: expect.any(Number) as number, completion_tokens: 1 },
      });
    }
  });

  it('takes back the thoughts and seals that its tool ids carried, where their vendors want them', async () => {
    const question = { role: 'user' as const, content: 'Well?[[sim: thinking="Hm." tool=weather]]' };
    for (const model of MODELS) {
      const body = { model, tools: [WEATHER], reasoning_effort: 'high' as const };
      for (const way of ['whole', 'streamed'] as const) {
        const first =
          way === 'whole'
            ? await sdk().chat.completions.create({ ...body, messages: [question] })
            : await sdk()
                .chat.completions.stream({ ...body, messages: [question] })
                .finalChatCompletion();
        const { message } = first.choices[0]!;
        const [call] = message.tool_calls!;
        expect(call?.id).toMatch(/^[A-Za-z0-9_-]+$/);
        const answer = { role: 'tool' as const, tool_call_id: call!.id, content: 'rain' };
        const second = await sdk().chat.completions.create({
          ...body,
          messages: [question, message, answer],
        });
        expect(second.choices[0]).toMatchObject({ finish_reason: 'stop' });
        if (model === CLAUDE) {
          const [thought, use] = sent().messages[1]!.content;
          expect(thought).toMatchObject({ type: 'thinking', signature: expect.any(String) as string });
          expect(use).toMatchObject({ type: 'tool_use', id: expect.stringMatching(/^toolu_/) as string });
        } else {
          const [part] = sent().contents[1]!.parts;
          expect(part).toMatchObject({ functionCall: { name: 'weather' } });
          expect(String(part?.['thoughtSignature'])).not.toMatch(/skip_thought|rlsig/);
        }
        expect(asked()).not.toContain('rlsig');
      }
    }
  });

  it('goes on with another vendor, whose conversation knows nothing of the first one’s seals', async () => {
    const question = { role: 'user' as const, content: 'Well?[[sim: thinking="Hm." tool=weather]]' };
    const body = { tools: [WEATHER], reasoning_effort: 'low' as const };
    for (const [from, to] of [
      [CLAUDE, GEMINI],
      [GEMINI, CLAUDE],
    ] as const) {
      const first = await sdk().chat.completions.create({ ...body, model: from, messages: [question] });
      const { message } = first.choices[0]!;
      const answer = { role: 'tool', tool_call_id: message.tool_calls![0]!.id, content: 'rain' };
      const second = await post('/v1/chat/completions', {
        ...body,
        model: to,
        messages: [question, message, answer],
      });
      expect(second.status).toBe(200);
      expect(second.edits?.split(',')).toContain('signature:foreign');
      expect(asked()).not.toContain('rlsig');
    }
  });
});

describe('the AI SDK on chat completions by another vendor', () => {
  const vercel = (model: string) => createOpenAI({ baseURL: `${rehearsal.url}/v1`, apiKey: key }).chat(model);
  const weather = tool({ inputSchema: jsonSchema<{ city: string }>(parameters), execute: () => 'rain' });

  it('generates and streams, with the usage that is booked', async () => {
    for (const model of MODELS) {
      const prompt = 'Hello[[sim: say="Good naïve day 🙂" output-tokens=9 thinking-tokens=0]]';
      const said = await generateText({ model: vercel(model), prompt, maxRetries: 0 });
      expect(said).toMatchObject({ text: 'Good naïve day 🙂', finishReason: 'stop' });
      const streamed = streamText({ model: vercel(model), prompt, maxRetries: 0 });
      expect(await streamed.text).toBe('Good naïve day 🙂');
      expect(await streamed.usage).toMatchObject({ outputTokens: 9 });
      expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'completed', output_tokens: '9' });
    }
  });

  it('goes through several steps with a tool, thoughts and all', async () => {
    for (const model of MODELS) {
      const options = {
        model: vercel(model),
        prompt: 'Weather?[[sim: thinking="Hm." tool=weather]]',
        tools: { weather },
        stopWhen: stepCountIs(3),
        maxRetries: 0,
        providerOptions: { openai: { reasoningEffort: 'high' } },
      };
      const whole = await generateText(options);
      expect(whole.steps).toHaveLength(2);
      expect(whole.steps[0]?.toolResults).toMatchObject([{ toolName: 'weather', output: 'rain' }]);
      expect(whole.text).toContain('rain');
      const streamed = streamText(options);
      expect(await streamed.text).toContain('rain');
      expect(await streamed.steps).toHaveLength(2);
      expect(asked()).toMatch(/"(signature|thoughtSignature)":/);
    }
  });
});

describe('embeddings by Gemini', () => {
  it('are the same as numbers and as bytes, which the SDK asks for by itself', async () => {
    const body = { model: EMBEDDING, input: ['one', 'two'], dimensions: 8 };
    const numbers = await sdk().embeddings.create({ ...body, encoding_format: 'float' });
    expect(rehearsal.simulator.requests.at(-1)?.url).toBe(`/v1beta/models/${EMBEDDING}:batchEmbedContents`);
    const bytes = await sdk().embeddings.create(body);
    expect(bytes.data.map(({ embedding }) => embedding)).toEqual(
      numbers.data.map(({ embedding }) => embedding.map(Math.fround)),
    );
    expect(numbers.data.map(({ index, embedding }) => [index, embedding.length])).toEqual([
      [0, 8],
      [1, 8],
    ]);
    expect(bytes).toMatchObject({ object: 'list', model: EMBEDDING });
  });

  it('tell the client what is booked', async () => {
    const { usage } = await sdk().embeddings.create({ model: EMBEDDING, input: 'Hello' });
    expect(usage.prompt_tokens).toBeGreaterThan(0);
    expect(await rehearsal.lastRow()).toMatchObject({
      door: 'openai',
      kind: 'gemini',
      outcome: 'completed',
      input_tokens: String(usage.prompt_tokens),
      output_tokens: '0',
      estimated: true,
    });
  });

  it('are refused for tokens, and where nobody embeds', async () => {
    const tokens = await post('/v1/embeddings', { model: EMBEDDING, input: [1, 2, 3] });
    expect(tokens).toMatchObject({ status: 400 });
    expect(errorOf(tokens.text)).toMatchObject({ param: 'input' });
    expect((await post('/v1/embeddings', { model: CLAUDE, input: 'x' })).status).toBe(404);
    expect(rehearsal.simulator.requests).toHaveLength(0);
  });

  it('fail as the upstream says', async () => {
    rehearsal.simulator.plan({
      path: '/v1beta/models/gemini-embedding',
      times: 1,
      fault: { status: 400, message: 'Too many' },
    });
    const refused = await post('/v1/embeddings', { model: EMBEDDING, input: 'x' });
    expect(refused.status).toBe(400);
    expect(errorOf(refused.text).message).toContain('Too many');
    rehearsal.simulator.plan({ path: '/v1beta/models/gemini-embedding', times: 1, fault: { badJson: true } });
    expect((await post('/v1/embeddings', { model: EMBEDDING, input: 'x' })).status).toBe(502);
  });

  it('are what the AI SDK takes', async () => {
    const model = createOpenAI({ baseURL: `${rehearsal.url}/v1`, apiKey: key }).textEmbeddingModel(EMBEDDING);
    const { embeddings, usage } = await embedMany({ model, values: ['one', 'two'], maxRetries: 0 });
    expect(embeddings.map(({ length }) => length)).toEqual([16, 16]);
    expect(usage.tokens).toBeGreaterThan(0);
  });
});
