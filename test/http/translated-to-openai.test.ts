import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenAI, type Content } from '@google/genai';
import { eventually } from '../support/eventually.ts';
import { closeLentDispatcher } from '../support/genai.ts';
import { Rehearsal } from '../support/relay.ts';

/** Anthropic's and Google's SDKs on accounts that speak chat completions, beyond what the matrix asks of every cell. */

const OPENAI = 'gpt-5-mini';
const PLAIN = 'gpt-4.1';
const DEEPSEEK = 'deepseek-sim-one';
const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8/5+hHgAHggJ/PchI7wAAAABJRU5ErkJggg==';

let rehearsal: Rehearsal;
let key: string;

beforeAll(async () => {
  rehearsal = await Rehearsal.start();
  await rehearsal.openaiAccount({ models: { allow: [OPENAI, PLAIN, DEEPSEEK, 'text-embedding-3-small'] } });
  key = (await rehearsal.key()).key;
});
afterEach(async () => {
  await rehearsal.quiet();
  rehearsal.simulator.clear();
});
afterAll(async () => {
  await rehearsal.close();
  await closeLentDispatcher();
});

const claude = () => new Anthropic({ baseURL: rehearsal.url, apiKey: key, maxRetries: 0 });
const gemini = () => new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: rehearsal.url } });
const user = (content: Anthropic.MessageParam['content']) => ({ role: 'user' as const, content });
const GET_TIME = {
  name: 'get_time',
  description: 'Tells the time',
  input_schema: { type: 'object' as const, properties: { zone: { type: 'string' } } },
};
const ask = (directive: string, more: object = {}) => ({
  model: OPENAI,
  max_tokens: 4096,
  messages: [user(`Well?[[sim: ${directive}]]`)],
  ...more,
});

/** What the simulated server was asked last. */
interface Seen {
  readonly messages: readonly Record<string, unknown>[];
  readonly [name: string]: unknown;
}
const seen = (): Seen => JSON.parse(rehearsal.simulator.requests.at(-1)!.body.toString()) as Seen;

async function post(path: string, body: object) {
  const answer = await fetch(`${rehearsal.url}${path}`, {
    method: 'POST',
    headers: { 'x-api-key': key, 'content-type': 'application/json', 'anthropic-version': '2023-06-01' },
    body: JSON.stringify(body),
  });
  return { status: answer.status, edits: answer.headers.get('x-relay-edits'), text: await answer.text() };
}

async function failureOf(asked: PromiseLike<unknown>): Promise<Record<string, unknown>> {
  const answer = await asked.then(
    (value) => ({ value }),
    (error: unknown) => ({ error: error as Record<string, unknown> }),
  );
  if (!('error' in answer)) throw new Error(`It did not fail: ${JSON.stringify(answer.value)}`);
  return answer.error;
}

describe('usage that a compatible server tells elsewhere', () => {
  it.each(['last-chunk', 'every-chunk', 'repeated'])('is told to Anthropic’s client: %s', async (where) => {
    const usage = 'input-tokens=100 cached-tokens=40 output-tokens=20 thinking-tokens=5';
    const message = await claude()
      .messages.stream(ask(`say="a b c d" usage=${where} ${usage}`))
      .finalMessage();
    expect(message.usage).toMatchObject({
      input_tokens: 60,
      cache_read_input_tokens: 40,
      output_tokens: 20,
    });
    expect(await rehearsal.lastRow()).toMatchObject({
      outcome: 'completed',
      input_tokens: '60',
      cache_read_tokens: '40',
      output_tokens: '20',
      reasoning_tokens: '5',
      estimated: false,
    });
  });

  it('is asked for in every stream, and estimated where there is none all the same', async () => {
    const message = await claude().messages.stream(ask('say="a b c d" usage=missing')).finalMessage();
    expect(message.content).toMatchObject([{ type: 'text', text: 'a b c d' }]);
    expect(seen()).toMatchObject({ stream: true, stream_options: { include_usage: true } });
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'unknown', estimated: true });
  });
});

describe('a server that shows what it thinks', () => {
  it('thinks for Anthropic’s client, and gets its thoughts back with their calls', async () => {
    const thinking = { type: 'enabled' as const, budget_tokens: 1024 };
    const body = { model: DEEPSEEK, max_tokens: 4096, tools: [GET_TIME], thinking };
    const messages: Anthropic.MessageParam[] = [user('[[sim: thinking="Which zone?" tool=get_time]]')];
    const first = await claude()
      .messages.stream({ ...body, messages })
      .finalMessage();
    expect(first.content).toMatchObject([
      { type: 'thinking', thinking: 'Which zone?' },
      { type: 'tool_use', name: 'get_time' },
    ]);
    expect(first.stop_reason).toBe('tool_use');
    const call = first.content.find((block) => block.type === 'tool_use')!;
    const result = { type: 'tool_result' as const, tool_use_id: call.id, content: 'noon' };
    const second = await claude().messages.create({
      ...body,
      messages: [...messages, { role: 'assistant', content: first.content }, user([result])],
    });
    expect(second.content.at(-1)).toMatchObject({ type: 'text', text: 'The tool answered: noon' });
    expect(seen().messages[1]).toMatchObject({
      role: 'assistant',
      reasoning_content: 'Which zone?',
      tool_calls: [{ id: call.id, function: { name: 'get_time' } }],
    });
    expect(seen()).toMatchObject({ reasoning_effort: 'low', max_tokens: 4096 });
  });

  it('does so for Google’s client, which keeps the thought on its call', async () => {
    const config = {
      thinkingConfig: { includeThoughts: true, thinkingBudget: 1024 },
      tools: [
        {
          functionDeclarations: [
            { name: 'get_time', description: 'Tells the time', parametersJsonSchema: GET_TIME.input_schema },
          ],
        },
      ],
    };
    const contents: Content[] = [
      { role: 'user', parts: [{ text: '[[sim: thinking="Which zone?" tool=get_time]]' }] },
    ];
    const first = await gemini().models.generateContent({ model: DEEPSEEK, contents, config });
    const parts = first.candidates?.[0]?.content?.parts ?? [];
    expect(parts[0]).toEqual({ text: 'Which zone?', thought: true });
    // As Gemini CLI does: the thought itself is dropped from the history.
    const kept = parts.filter(({ thought }) => thought !== true);
    const { id, name } = kept[0]!.functionCall!;
    const response = { functionResponse: { id, name, response: { output: 'noon' } } };
    const second = await gemini().models.generateContent({
      model: DEEPSEEK,
      contents: [...contents, { role: 'model', parts: kept }, { role: 'user', parts: [response] }],
      config,
    });
    expect(second.text).toBe('The tool answered: noon');
    expect(seen().messages[1]).toMatchObject({ reasoning_content: 'Which zone?' });
  });
});

describe('what a client says that chat completions say otherwise', () => {
  it('is the image in a tool’s result, shown in the user’s next message', async () => {
    const messages: Anthropic.MessageParam[] = [user('[[sim: tool=get_time]]')];
    const first = await claude().messages.create(ask('', { messages, tools: [GET_TIME] }));
    const call = first.content.find((block) => block.type === 'tool_use')!;
    const image = {
      type: 'image' as const,
      source: { type: 'base64' as const, media_type: 'image/png' as const, data: PIXEL },
    };
    const result = { type: 'tool_result' as const, tool_use_id: call.id, content: [image] };
    const second = await claude().messages.create(
      ask('', {
        tools: [GET_TIME],
        messages: [
          ...messages,
          { role: 'assistant', content: first.content },
          user([result, { type: 'text', text: 'What is it?[[sim: say=White]]' }]),
        ],
      }),
    );
    expect(second.content).toMatchObject([{ type: 'text', text: 'White' }]);
    expect(seen().messages.slice(-2)).toEqual([
      { role: 'tool', tool_call_id: call.id, content: '(See the next message.)' },
      {
        role: 'user',
        content: [
          { type: 'text', text: `From the result of get_time (${call.id}):` },
          { type: 'image_url', image_url: { url: `data:image/png;base64,${PIXEL}` } },
          { type: 'text', text: 'What is it?[[sim: say=White]]' },
        ],
      },
    ]);
  });

  it('is a document, and the system’s words in mid-conversation', async () => {
    const document = {
      type: 'document' as const,
      title: 'a.pdf',
      source: { type: 'base64' as const, media_type: 'application/pdf' as const, data: 'JVBERi0xLjQ=' },
    };
    const body = {
      ...ask(''),
      system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } }],
      messages: [
        user([document]),
        { role: 'system', content: 'Mind the time.' },
        user('Well?[[sim: say=Ok]]'),
      ],
    };
    const answer = await post('/v1/messages', body);
    expect(answer).toMatchObject({
      status: 200,
      edits: 'translated:anthropic>openai,left-out:cache_control',
    });
    expect(seen().messages).toEqual([
      { role: 'system', content: 'Be brief.' },
      {
        role: 'user',
        content: [
          {
            type: 'file',
            file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,JVBERi0xLjQ=' },
          },
        ],
      },
      { role: 'system', content: 'Mind the time.' },
      { role: 'user', content: 'Well?[[sim: say=Ok]]' },
    ]);
  });

  it('is refused by its own name where they cannot say it, and nothing is taken', async () => {
    const rows = await rehearsal.rowCount();
    const contents = [{ role: 'user', parts: [{ text: 'Hi' }] }];
    const generate = `/v1beta/models/${OPENAI}:generateContent`;
    const refused: readonly (readonly [string, object, string])[] = [
      ['/v1/messages', ask('', { top_k: 40 }), 'top_k'],
      ['/v1/messages', ask('', { temperature: 0 }), 'temperature'],
      ['/v1/messages', ask('', { stop_sequences: ['x'] }), 'stop_sequences'],
      [generate, { contents, generationConfig: { topK: 40 } }, 'generationConfig.topK'],
      [generate, { contents, generationConfig: { stopSequences: ['x'] } }, 'generationConfig.stopSequences'],
    ];
    for (const [path, body, field] of refused) {
      const answer = await post(path, body);
      expect({ field, status: answer.status }).toEqual({ field, status: 400 });
      expect((JSON.parse(answer.text) as { error: { message: string } }).error.message).toMatch(
        new RegExp(`^${field.replace('.', '\\.')}: `),
      );
    }
    expect(rehearsal.simulator.requests).toHaveLength(0);
    expect(await rehearsal.rowCount()).toBe(rows);
  });

  it('is what the server itself refuses, in the client’s own shape', async () => {
    const tools = [{ ...GET_TIME, name: 'x'.repeat(100) }];
    const failure = await failureOf(claude().messages.create(ask('', { tools })));
    expect(failure).toBeInstanceOf(Anthropic.BadRequestError);
    expect(failure).toMatchObject({ status: 400, type: 'invalid_request_error' });
    expect(failure['message']).toContain('string too long');
  });
});

describe('counting and embedding', () => {
  it('is a 404 that says so, where nobody who serves the model can count; never a guess', async () => {
    const rows = await rehearsal.rowCount();
    const failure = await failureOf(claude().messages.countTokens({ model: OPENAI, messages: [user('Hi')] }));
    expect(failure).toBeInstanceOf(Anthropic.NotFoundError);
    expect(failure).toMatchObject({ status: 404, type: 'not_found_error' });
    expect(failure['message']).toContain(
      `model: ${OPENAI} is served by accounts that cannot be asked here to count tokens`,
    );
    const other = await failureOf(gemini().models.countTokens({ model: OPENAI, contents: 'Hi' }));
    expect(other).toMatchObject({ status: 404 });
    expect(other['message']).toContain('cannot be asked here to count tokens');
    const unknown = await failureOf(
      claude().messages.countTokens({ model: 'gpt-none', messages: [user('Hi')] }),
    );
    expect(unknown['message']).toContain('is not known');
    expect(rehearsal.simulator.requests).toHaveLength(0);
    expect(await rehearsal.rowCount()).toBe(rows);
  });
});

describe('what goes wrong upstream', () => {
  it('is told to Anthropic’s client in mid-stream as an event, with what the server said', async () => {
    const pieces: string[] = [];
    const stream = claude().messages.stream(ask('deltas=9 error=4 type=overloaded_error message="Too busy"'));
    stream.on('text', (piece) => pieces.push(piece));
    const failure = await failureOf(stream.finalMessage());
    expect(failure['message']).toContain('Too busy');
    expect(pieces.length).toBeGreaterThan(0);
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'partial', reason: 'overloaded_error' });
  });

  it.each(['end=4', 'cut=4', 'reset=4'])('is never a quiet end: %s', async (fault) => {
    const stream = claude().messages.stream(ask(`deltas=9 every=5 ${fault}`));
    await failureOf(stream.finalMessage());
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'partial' });
    const frames = await gemini().models.generateContentStream({
      model: OPENAI,
      contents: `Well?[[sim: deltas=9 every=5 ${fault}]]`,
    });
    await failureOf(
      (async () => {
        for await (const _ of frames);
      })(),
    );
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'partial' });
  });

  it('ends with the client that leaves, before the head and in the stream', async () => {
    for (const directive of ['hang=head', 'deltas=400 every=20']) {
      const leaving = new AbortController();
      const stream = claude().messages.stream(ask(directive), { signal: leaving.signal });
      stream.on('text', () => leaving.abort());
      const failed = failureOf(stream.finalMessage());
      await eventually(() => expect(rehearsal.simulator.inFlight()).toBe(1));
      if (directive.startsWith('hang')) leaving.abort();
      await failed;
      await eventually(() => expect(rehearsal.simulator.requests.at(-1)?.ended).toBe('client-closed'));
      expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'client-left' });
    }
  });
});
