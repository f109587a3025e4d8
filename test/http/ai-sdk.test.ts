import { createAnthropic } from '@ai-sdk/anthropic';
import { createGoogleGenerativeAI } from '@ai-sdk/google';
import {
  APICallError,
  generateText,
  jsonSchema,
  type LanguageModel,
  stepCountIs,
  streamText,
  tool,
} from 'ai';
import { Rehearsal } from '../support/relay.ts';

/** Vercel's AI SDK with the providers of two doors, each on accounts of its own vendor and of the other one. */

let rehearsal: Rehearsal;
let key: string;

beforeAll(async () => {
  rehearsal = await Rehearsal.start();
  await rehearsal.claudeAccount();
  await rehearsal.geminiAccount();
  key = (await rehearsal.key()).key;
});
afterEach(async () => {
  await rehearsal.quiet();
  rehearsal.simulator.clear();
});
afterAll(() => rehearsal.close());

const PROVIDERS = {
  anthropic: (model: string): LanguageModel =>
    createAnthropic({ baseURL: `${rehearsal.url}/v1`, apiKey: key })(model),
  google: (model: string): LanguageModel =>
    createGoogleGenerativeAI({ baseURL: `${rehearsal.url}/v1beta`, apiKey: key })(model),
};

const CLAUDE = 'claude-sonnet-5';
const GEMINI = 'gemini-3.5-flash';
const SENTENCE = 'naïve 川 🙂 and on';

/** `whole`: the input tokens that this vendor tells of 100 asked, 7 of them cached. */
describe.each([
  ['anthropic', CLAUDE, 'none', 107],
  ['anthropic', GEMINI, 'translated:anthropic>gemini', 100],
  ['google', GEMINI, 'none', 100],
  ['google', CLAUDE, 'translated:gemini>anthropic', 107],
] as const)('the provider %s asking for %s', (provider, name, edits, whole) => {
  const model = () => PROVIDERS[provider](name);
  const used = 'input-tokens=100 cached-tokens=7 output-tokens=23 thinking-tokens=0';
  const asking = (directive: string) => ({
    model: model(),
    prompt: `Well?[[sim: ${directive}]]`,
    maxRetries: 0,
  });

  it('generates a text', async () => {
    const said = await generateText(asking(`say="${SENTENCE}" ${used}`));
    expect(said).toMatchObject({ text: SENTENCE, finishReason: 'stop' });
    expect(said.usage).toMatchObject({ inputTokens: whole, outputTokens: 23 });
    expect(said.response.headers?.['x-relay-edits']).toBe(edits);
  });

  it('streams a text, piece by piece', async () => {
    const streamed = streamText(asking(`say="${SENTENCE}" deltas=5 split=utf8 ${used}`));
    const pieces: string[] = [];
    for await (const piece of streamed.textStream) pieces.push(piece);
    expect(pieces.join('')).toBe(SENTENCE);
    expect(pieces.length).toBeGreaterThanOrEqual(4);
    expect(await streamed.usage).toMatchObject({ inputTokens: whole, outputTokens: 23 });
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'completed', output_tokens: '23' });
  });

  it('calls two tools at once and goes on with their results and its thoughts', async () => {
    const inputSchema = jsonSchema<{ city: string }>({
      type: 'object',
      properties: { city: { type: 'string' } },
      required: ['city'],
    });
    const seen: unknown[] = [];
    const look = tool({
      inputSchema,
      execute: ({ city }) => {
        seen.push(city);
        return `rain in ${city}`;
      },
    });
    const said = await generateText({
      ...asking('thinking="Two." tool=weather,clock'),
      tools: { weather: look, clock: look },
      maxOutputTokens: 4_000,
      stopWhen: stepCountIs(2),
      providerOptions: {
        anthropic: { thinking: { type: 'enabled', budgetTokens: 2048 } },
        google: { thinkingConfig: { includeThoughts: true } },
      },
    });
    expect(said.steps.map(({ finishReason }) => finishReason)).toEqual(['tool-calls', 'stop']);
    expect(seen).toHaveLength(2);
    const last = rehearsal.simulator.requests.at(-1);
    expect(last?.status).toBe(200);
    for (const city of seen) expect(last?.body.toString()).toContain(`rain in ${String(city)}`);
  });

  it('tells an error with the vendor’s status and words', async () => {
    const failure = await generateText(asking('status=400 message="No such thing"')).catch(
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(APICallError);
    expect(failure).toMatchObject({
      statusCode: 400,
      message: expect.stringContaining('No such thing') as unknown,
    });
  });

  it('stops the upstream when it is aborted', async () => {
    const leaving = new AbortController();
    const streamed = streamText({
      ...asking('deltas=400 every=20'),
      abortSignal: leaving.signal,
      onError: () => undefined,
    });
    for await (const _ of streamed.textStream) leaving.abort();
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'client-left' });
  });
});
