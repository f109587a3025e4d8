import { CallError } from '../../dialects/dialect.ts';
import type { Message, NeutralRequest, Part, Thinking } from '../neutral.ts';
import { geminiUpstream } from './gemini-upstream.ts';

/** Expected documents by https://ai.google.dev/api/generate-content and `Content`, `Part`, `Tool` of @google/genai 2.32. */
function write(request: Partial<NeutralRequest>) {
  return geminiUpstream.writeRequest({
    lane: 'generate',
    model: 'gemini-2.5-flash',
    stream: false,
    system: [],
    messages: [say('hi')],
    tools: [],
    leftovers: [],
    source: {},
    ...request,
  });
}

function say(text: string, role: Message['role'] = 'user'): Message {
  return { role, at: 'm', parts: [{ type: 'text', at: 'm', text }] };
}

function turn(role: Message['role'], ...parts: readonly Part[]): Message {
  return { role, at: 'm', parts };
}

function call(id: string, signature?: string): Part {
  const seal = signature === undefined ? {} : { signature: { minted: 'google', value: signature } as const };
  return { type: 'tool-call', at: 'm', id, name: 'f', input: '{"n":1}', ...seal };
}

function result(id: string, text: string, failed = false): Part {
  return {
    type: 'tool-result',
    at: 'm',
    id,
    name: 'f',
    content: [{ type: 'text', at: 'm', text }],
    failed,
  };
}

const contentsOf = (messages: readonly Message[], model = 'gemini-2.5-flash') =>
  (write({ messages, model }).body as { readonly contents: unknown }).contents;

describe('A request for Gemini', () => {
  it('says everything that the middle form can', () => {
    const { body, headers, edits } = write({
      system: [
        { type: 'text', at: 'system[0]', text: 'Be.', cache: { ttl: '1h', at: 'system[0].cache_control' } },
        { type: 'text', at: 'system[1]', text: 'Brief.' },
      ],
      tools: [
        { at: 'tools[0]', name: 'f', description: 'Does.', schema: { type: 'object' } },
        { at: 'tools[1]', name: 'g', description: undefined, schema: {} },
      ],
      toolChoice: { value: { mode: 'one', name: 'f' }, at: 'tool_choice' },
      parallelTools: { value: true, at: 'parallel_tool_calls' },
      maxOutputTokens: { value: 100, at: 'max_tokens' },
      temperature: { value: 0.5, at: 'temperature' },
      topP: { value: 0.9, at: 'top_p' },
      topK: { value: 40, at: 'top_k' },
      stop: { value: ['END'], at: 'stop' },
      seed: { value: 7, at: 'seed' },
      presencePenalty: { value: 0.1, at: 'presence_penalty' },
      frequencyPenalty: { value: 0.2, at: 'frequency_penalty' },
      output: { value: { name: 'n', schema: { type: 'object' }, strict: true }, at: 'response_format' },
    });
    expect(body).toEqual({
      contents: [{ role: 'user', parts: [{ text: 'hi' }] }],
      systemInstruction: { parts: [{ text: 'Be.' }, { text: 'Brief.' }] },
      tools: [
        {
          functionDeclarations: [
            { name: 'f', description: 'Does.', parametersJsonSchema: { type: 'object' } },
            { name: 'g', parametersJsonSchema: {} },
          ],
        },
      ],
      toolConfig: { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['f'] } },
      generationConfig: {
        maxOutputTokens: 100,
        temperature: 0.5,
        topP: 0.9,
        topK: 40,
        stopSequences: ['END'],
        seed: 7,
        presencePenalty: 0.1,
        frequencyPenalty: 0.2,
        responseMimeType: 'application/json',
        responseJsonSchema: { type: 'object' },
      },
    });
    expect(headers).toEqual({});
    expect(edits).toEqual(['left-out:cache_control']);
  });

  it('is inside of a count, which needs the name of the model', () => {
    const contents = [{ role: 'user', parts: [{ text: 'hi' }] }];
    expect(write({ lane: 'count' }).body).toEqual({
      generateContentRequest: { model: 'models/gemini-2.5-flash', contents },
    });
    expect(write({ lane: 'count', model: 'tunedModels/x' }).body).toMatchObject({
      generateContentRequest: { model: 'tunedModels/x' },
    });
  });

  it('keeps the results of calls together and first, in one turn with what else was said', () => {
    expect(
      contentsOf([
        say('go'),
        turn('assistant', { type: 'text', at: 'm', text: 'ok' }, call('a'), call('b')),
        turn('user', result('a', 'A')),
        turn('user', { type: 'text', at: 'm', text: 'and' }, result('b', 'B', true)),
        say('mind this', 'system'),
      ]),
    ).toEqual([
      { role: 'user', parts: [{ text: 'go' }] },
      {
        role: 'model',
        parts: [
          { text: 'ok' },
          { functionCall: { id: 'a', name: 'f', args: { n: 1 } } },
          { functionCall: { id: 'b', name: 'f', args: { n: 1 } } },
        ],
      },
      {
        role: 'user',
        parts: [
          { functionResponse: { id: 'a', name: 'f', response: { output: 'A' } } },
          { functionResponse: { id: 'b', name: 'f', response: { error: 'B' } } },
          { text: 'and' },
          { text: 'mind this' },
        ],
      },
    ]);
  });

  it('gives a result as the object that the client gave', () => {
    const json = { output: { a: 1 } };
    const part = { ...result('a', '{"a":1}'), json } as Part;
    const failed = { ...part, failed: true } as Part;
    expect(contentsOf([turn('user', part, failed)])).toEqual([
      {
        role: 'user',
        parts: [
          { functionResponse: { id: 'a', name: 'f', response: json } },
          { functionResponse: { id: 'a', name: 'f', response: { error: { a: 1 } } } },
        ],
      },
    ]);
  });

  it('has an image of a result inside of it from Gemini 3 on, beside it before', () => {
    const image = {
      type: 'image',
      at: 'm',
      media: { from: 'base64', mediaType: 'image/png', data: 'aGk=' },
    } as const;
    const part = { ...result('a', 'A'), content: [image] } as Part;
    const inlineData = { mimeType: 'image/png', data: 'aGk=' };
    expect(contentsOf([turn('user', part)])).toEqual([
      {
        role: 'user',
        parts: [{ functionResponse: { id: 'a', name: 'f', response: { output: '' } } }, { inlineData }],
      },
    ]);
    expect(contentsOf([turn('user', part)], 'gemini-3-pro-preview')).toEqual([
      {
        role: 'user',
        parts: [
          { functionResponse: { id: 'a', name: 'f', response: { output: '' }, parts: [{ inlineData }] } },
        ],
      },
    ]);
  });

  it.each([
    [
      'an image',
      { type: 'image', media: { from: 'url', url: 'https://x.test/a.PNG?x=1' } },
      { fileData: { mimeType: 'image/png', fileUri: 'https://x.test/a.PNG?x=1' } },
      [],
    ],
    [
      'an image with detail',
      { type: 'image', detail: 'low', media: { from: 'base64', mediaType: 'image/webp', data: 'AA==' } },
      { inlineData: { mimeType: 'image/webp', data: 'AA==' } },
      ['left-out:detail'],
    ],
    [
      'a document',
      {
        type: 'document',
        name: 'a.pdf',
        media: { from: 'base64', mediaType: 'application/pdf', data: 'JVBE' },
      },
      { inlineData: { mimeType: 'application/pdf', data: 'JVBE' } },
      ['left-out:title'],
    ],
    [
      'a text',
      { type: 'document', media: { from: 'text', text: 'naïve' } },
      { inlineData: { mimeType: 'text/plain', data: 'bmHDr3Zl' } },
      [],
    ],
  ])('has %s', (_, part, expected, edits) => {
    const written = write({ messages: [turn('user', { at: 'm', ...part } as Part)] });
    expect(written.body).toEqual({ contents: [{ role: 'user', parts: [expected] }] });
    expect(written.edits).toEqual(edits);
  });

  it.each([
    [{ mode: 'auto' }, false, { mode: 'AUTO' }],
    [{ mode: 'auto' }, true, { mode: 'VALIDATED' }],
    [undefined, true, { mode: 'VALIDATED' }],
    [undefined, false, undefined],
    [{ mode: 'auto', only: ['f'] }, false, { mode: 'VALIDATED', allowedFunctionNames: ['f'] }],
    [{ mode: 'none' }, true, { mode: 'NONE' }],
    [{ mode: 'any' }, false, { mode: 'ANY' }],
    [{ mode: 'any', only: ['f', 'g'] }, false, { mode: 'ANY', allowedFunctionNames: ['f', 'g'] }],
  ] as const)('chooses tools: %j, strict %s', (choice, strict, functionCallingConfig) => {
    const { body } = write({
      tools: [{ at: 't', name: 'f', description: undefined, schema: {}, strict }],
      ...(choice && { toolChoice: { value: choice, at: 'tool_choice' } }),
    });
    expect((body as { readonly toolConfig?: unknown }).toolConfig).toEqual(
      functionCallingConfig && { functionCallingConfig },
    );
  });

  const image = {
    type: 'image',
    at: 'messages[0].content[0]',
    media: { from: 'url', url: 'https://x.test/a' },
  };
  it.each([
    [{ stop: { value: ['1', '2', '3', '4', '5', '6'], at: 'stop' } }, 'stop: must be at most 5'],
    [
      {
        parallelTools: { value: false, at: 'parallel_tool_calls' },
        tools: [{ at: 't', name: 'f', description: undefined, schema: {} }],
      },
      'parallel_tool_calls: is not known to Gemini',
    ],
    [{ messages: [turn('user', image as Part)] }, 'messages[0].content[0]: is an image by a URL'],
  ])('refuses what Gemini cannot do, by the name that the client used', (request, message) => {
    expect(() => write(request)).toThrow(CallError);
    expect(() => write(request)).toThrow(message);
  });
});

describe('Thinking, as each model of Gemini can do it', () => {
  const thinks = (thinking: Partial<Thinking> & Pick<Thinking, 'mode'>): NeutralRequest['thinking'] => ({
    value: { show: false, ...thinking },
    at: 'thinking',
  });

  it.each([
    ['gemini-2.5-flash', { mode: 'off' }, { thinkingBudget: 0 }, true],
    ['gemini-2.5-pro', { mode: 'off' }, { thinkingBudget: 128 }, false],
    ['gemini-2.5-flash-lite', { mode: 'budget', budgetTokens: 100 }, { thinkingBudget: 512 }, true],
    ['gemini-2.5-pro', { mode: 'budget', budgetTokens: 99_999 }, { thinkingBudget: 32_768 }, true],
    ['gemini-2.5-pro', { mode: 'adaptive', show: true }, { thinkingBudget: -1, includeThoughts: true }, true],
    ['gemini-2.5-flash', { mode: 'effort', effort: 'low' }, { thinkingBudget: 1_024 }, true],
    ['gemini-2.5-flash', { mode: 'effort', effort: 'medium' }, { thinkingBudget: 8_192 }, true],
    ['gemini-2.5-flash', { mode: 'adaptive', effort: 'max' }, { thinkingBudget: 24_576 }, true],
    ['gemini-2.5-flash', { mode: 'effort', effort: 'none' }, { thinkingBudget: 0 }, true],
    ['gemini-3-pro-preview', { mode: 'effort', effort: 'minimal' }, { thinkingLevel: 'LOW' }, true],
    ['gemini-3-pro-preview', { mode: 'effort', effort: 'medium' }, { thinkingLevel: 'HIGH' }, true],
    ['gemini-3.1-pro-preview', { mode: 'effort', effort: 'medium' }, { thinkingLevel: 'MEDIUM' }, true],
    ['gemini-3-flash-preview', { mode: 'off' }, { thinkingLevel: 'MINIMAL' }, false],
    ['gemini-3.8-flash', { mode: 'effort', effort: 'minimal' }, { thinkingLevel: 'LOW' }, true],
    ['gemini-3-flash-preview', { mode: 'budget', budgetTokens: 4000 }, { thinkingBudget: 4000 }, true],
    ['gemini-3-flash-preview', { mode: 'adaptive', show: true }, { includeThoughts: true }, true],
    ['gemini-3-flash-preview', { mode: 'adaptive' }, undefined, true],
    ['gemini-2.0-flash', { mode: 'off' }, undefined, true],
    ['gemini-2.0-flash', { mode: 'adaptive' }, undefined, false],
    ['gemma-3-27b-it', { mode: 'budget', budgetTokens: 1024 }, undefined, false],
  ] as const)('%s: %j', (model, thinking, config, exact) => {
    const { body, edits } = write({ model, ...{ thinking: thinks(thinking)! } });
    expect((body as { readonly generationConfig?: unknown }).generationConfig).toEqual(
      config && { thinkingConfig: config },
    );
    expect(edits).toEqual(exact ? [] : ['left-out:thinking']);
  });
});

describe('Signatures on their way to Gemini', () => {
  const thought = (signature: 'google' | 'anthropic' | undefined): Part => ({
    type: 'thinking',
    at: 'm',
    text: 'hm',
    ...(signature && { signature: { minted: signature, value: 'S' } }),
  });

  it("go back where they were when they are Google's", () => {
    const text: Part = { type: 'text', at: 'm', text: '', signature: { minted: 'google', value: 'T' } };
    const { body, edits } = write({ messages: [turn('assistant', thought('google'), call('a', 'C'), text)] });
    expect(body).toEqual({
      contents: [
        {
          role: 'model',
          parts: [
            { text: 'hm', thought: true, thoughtSignature: 'S' },
            { functionCall: { id: 'a', name: 'f', args: { n: 1 } }, thoughtSignature: 'C' },
            { text: '', thoughtSignature: 'T' },
          ],
        },
      ],
    });
    expect(edits).toEqual([]);
  });

  it('are removed with their thought when another vendor minted them, which is told', () => {
    const redacted: Part = {
      type: 'thinking',
      at: 'm',
      text: '',
      redacted: { minted: 'bedrock', value: 'R' },
    };
    const { body, edits } = write({
      messages: [say('a'), turn('assistant', thought('anthropic'), redacted), say('b')],
    });
    expect(body).toEqual({ contents: [{ role: 'user', parts: [{ text: 'a' }, { text: 'b' }] }] });
    expect(edits).toEqual(['signature:foreign']);
  });

  it('are not missed on a summary that never had one, and that is told as well', () => {
    expect(write({ messages: [turn('assistant', thought(undefined)), say('b')] }).edits).toEqual([
      'left-out:thinking',
    ]);
  });

  it('have a stand-in from Gemini 3 on: on the first unsigned call of each step of this turn', () => {
    const messages = [
      say('old'),
      turn('assistant', call('o')),
      turn('user', result('o', 'O')),
      say('done', 'assistant'),
      say('new'),
      turn('assistant', call('a'), call('b')),
      turn('user', result('a', 'A'), result('b', 'B')),
      turn('assistant', call('c', 'own'), call('d')),
      turn('user', result('c', 'C'), result('d', 'D'), { type: 'text', at: 'm', text: 'reminder' }),
    ];
    const seals = (model: string) =>
      (contentsOf(messages, model) as { parts: Record<string, unknown>[] }[])
        .flatMap(({ parts }) => parts)
        .filter((part) => 'functionCall' in part)
        .map((part) => part['thoughtSignature']);
    const skip = 'skip_thought_signature_validator';
    expect(seals('gemini-3-flash-preview')).toEqual([undefined, skip, undefined, 'own', undefined]);
    expect(seals('gemini-2.5-flash')).toEqual([undefined, undefined, undefined, 'own', undefined]);
  });
});
