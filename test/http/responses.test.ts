import { createOpenAI } from '@ai-sdk/openai';
import { generateText, jsonSchema, stepCountIs, streamText, tool } from 'ai';
import OpenAI from 'openai';
import { Rehearsal } from '../support/relay.ts';

/** OpenAI's Responses API, which every account serves in translation. */

const CLAUDE = 'claude-sonnet-5';
const GEMINI = 'gemini-3.5-flash';
const OPEN = 'gpt-5-mini';
const MODELS = [CLAUDE, GEMINI, OPEN];
const SPOKEN: Readonly<Record<string, string>> = {
  [CLAUDE]: 'anthropic',
  [GEMINI]: 'gemini',
  [OPEN]: 'openai',
};
const parameters = {
  type: 'object' as const,
  properties: { city: { type: 'string' as const } },
  required: ['city'],
  additionalProperties: false as const,
};
const WEATHER = { type: 'function' as const, name: 'weather', parameters, strict: false };

let rehearsal: Rehearsal;
let key: string;

beforeAll(async () => {
  rehearsal = await Rehearsal.start();
  await Promise.all([
    rehearsal.claudeAccount({ models: { allow: [CLAUDE] } }),
    rehearsal.geminiAccount({ models: { allow: [GEMINI] } }),
    rehearsal.openaiAccount({ models: { allow: [OPEN] } }),
  ]);
  key = (await rehearsal.key()).key;
});
afterEach(async () => {
  await rehearsal.quiet();
  rehearsal.simulator.clear();
});
afterAll(() => rehearsal.close());

const sdk = () => new OpenAI({ baseURL: `${rehearsal.url}/openai/v1`, apiKey: key, maxRetries: 0 });
const asked = (): string => rehearsal.simulator.requests.at(-1)!.body.toString();

async function post(body: object) {
  const answer = await fetch(`${rehearsal.url}/v1/responses`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  return { status: answer.status, edits: answer.headers.get('x-relay-edits'), text };
}
const errorOf = (text: string) => (JSON.parse(text) as { error: { message: string; param: unknown } }).error;

describe('a response', () => {
  it('tells into which dialect it was translated, and that nothing is kept', async () => {
    for (const model of MODELS) {
      const { status, edits, text } = await post({ model, input: 'Well?[[sim: say=Well.]]', store: true });
      expect(status).toBe(200);
      expect(edits?.split(',')).toEqual([`translated:openai-responses>${SPOKEN[model]}`, 'left-out:store']);
      expect(JSON.parse(text)).toMatchObject({ object: 'response', status: 'completed', store: false });
      expect(await rehearsal.lastRow()).toMatchObject({ door: 'openai', model, outcome: 'completed' });
    }
  });

  it.each([
    ['previous_response_id', { previous_response_id: 'resp_1' }],
    ['conversation', { conversation: 'conv_1' }],
    ['prompt', { prompt: { id: 'pmpt_1' } }],
    ['background', { background: true }],
    ['input[0]', { input: [{ type: 'item_reference', id: 'msg_1' }] }],
    ['tools[0]', { tools: [{ type: 'web_search' }] }],
    ['text.verbosity', { text: { verbosity: 'high' } }],
    ['nonesuch', { nonesuch: 1 }],
  ])('is refused for %s by that name, before anything is taken', async (field, more) => {
    const rows = await rehearsal.rowCount();
    for (const model of MODELS) {
      const answer = await post({ model, input: 'Hi', ...more });
      expect(answer.status).toBe(400);
      const { message, param } = errorOf(answer.text);
      expect(message.startsWith(`${field}: `)).toBe(true);
      expect(param).toBe(field);
    }
    expect(rehearsal.simulator.requests).toHaveLength(0);
    expect(await rehearsal.rowCount()).toBe(rows);
  });

  it('streams events that the SDK puts together into the same response as the one told whole', async () => {
    const input = 'Well?[[sim: say="Good naïve day 🙂" thinking-tokens=0]]';
    for (const model of MODELS) {
      const whole = await sdk().responses.create({ model, input });
      const streamed = await sdk().responses.stream({ model, input }).finalResponse();
      expect(streamed.output_text).toBe('Good naïve day 🙂');
      const [one, other] = [whole, streamed].map(({ output }) =>
        output.map((item) => ({ ...item, id: item.id?.replace(/_.*_/, '_') })),
      );
      expect(other).toMatchObject(one!);
      expect(streamed.usage).toEqual(whole.usage);
    }
  });

  const question = { role: 'user' as const, content: 'Well?[[sim: thinking="Hm." tool=weather]]' };

  it.each([
    ['where the client keeps them', { include: ['reasoning.encrypted_content' as const] }],
    ['where it keeps only calls', {}],
    ['where it reads their summary', { reasoning: { effort: 'high' as const, summary: 'auto' as const } }],
  ])('takes thoughts and seals back to their vendors, %s', async (_, more) => {
    for (const model of [CLAUDE, GEMINI]) {
      const body = { model, tools: [WEATHER], reasoning: { effort: 'high' as const }, ...more };
      for (const way of ['whole', 'streamed'] as const) {
        const first =
          way === 'whole'
            ? await sdk().responses.create({ ...body, input: [question] })
            : await sdk()
                .responses.stream({ ...body, input: [question] })
                .finalResponse();
        const output: readonly OpenAI.Responses.ResponseOutputItem[] = first.output;
        const [id] = output.flatMap((item) => (item.type === 'function_call' ? [item.call_id] : []));
        expect(id).toMatch(/^[A-Za-z0-9_-]+$/);
        const shown = output.flatMap((item) => (item.type === 'reasoning' ? item.summary : []));
        expect(shown).toEqual('reasoning' in more ? [{ type: 'summary_text', text: 'Hm.' }] : []);
        const second = await sdk().responses.create({
          ...body,
          input: [
            question,
            ...(output as OpenAI.Responses.ResponseInputItem[]),
            { type: 'function_call_output', call_id: id!, output: 'rain' },
          ],
        });
        expect(second.output_text).toContain('rain');
        expect(asked()).not.toContain('rlsig');
        expect(asked()).not.toContain('skip_thought');
        expect(asked()).toMatch(
          model === CLAUDE
            ? /"type":"thinking","thinking":"(Hm\.)?","signature":"[^"]+"/
            : /"thoughtSignature":"[^"]+"/,
        );
      }
    }
  });
});

describe('the AI SDK’s own choice of API', () => {
  const vercel = (model: string) => createOpenAI({ baseURL: `${rehearsal.url}/v1`, apiKey: key })(model);
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

  it.each([
    ['as it is', {}],
    ['when it keeps everything itself', { store: false, include: ['reasoning.encrypted_content' as const] }],
    [
      'when it shows thoughts',
      { store: false, reasoningEffort: 'high', reasoningSummary: 'auto', forceReasoning: true },
    ],
  ])('goes through several steps with a tool %s', async (_, openai) => {
    for (const model of MODELS) {
      const options = {
        model: vercel(model),
        prompt: 'Weather?[[sim: thinking="Hm." tool=weather]]',
        tools: { weather },
        stopWhen: stepCountIs(3),
        maxRetries: 0,
        providerOptions: { openai },
      };
      const whole = await generateText(options);
      expect(whole.steps).toHaveLength(2);
      expect(whole.steps[0]?.toolResults).toMatchObject([{ toolName: 'weather', output: 'rain' }]);
      expect(whole.text).toContain('rain');
      const streamed = streamText(options);
      expect(await streamed.text).toContain('rain');
      const steps = await streamed.steps;
      expect(steps).toHaveLength(2);
      if ('reasoningSummary' in openai && model !== OPEN) expect(steps[0]?.reasoningText).toBe('Hm.');
    }
  });

  it('is told what to do where it refers to what only OpenAI keeps', async () => {
    const first = await generateText({
      model: vercel(CLAUDE),
      prompt: 'Hello[[sim: say=Hi]]',
      maxRetries: 0,
    });
    const messages = [
      { role: 'user' as const, content: 'Hello' },
      ...first.response.messages,
      { role: 'user' as const, content: 'And?[[sim: say=Thanks]]' },
    ];
    await expect(generateText({ model: vercel(CLAUDE), messages, maxRetries: 0 })).rejects.toMatchObject({
      statusCode: 400,
      message: expect.stringMatching(/^input\[1\]: .*store: false/) as string,
    });
    const kept = await generateText({
      model: vercel(CLAUDE),
      messages,
      maxRetries: 0,
      providerOptions: { openai: { store: false } },
    });
    expect(kept.text).toBe('Thanks');
  });
});
