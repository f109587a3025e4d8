import type { Call, Operation } from '../../dialects/dialect.ts';
import { packCarried } from '../carried.ts';
import type { NeutralRequest } from '../neutral.ts';
import { readRequest } from './read-request.ts';

/**
 * Bodies as clients write them: @google/genai 2.32 (`generateContentParametersToMldev`), Gemini CLI 0.61, the REST
 * examples of https://ai.google.dev/api/generate-content.
 */
function read(body: unknown, operation: Operation = 'generate'): NeutralRequest {
  const call: Call = {
    dialect: 'gemini',
    operation,
    lane: operation === 'count' ? 'count' : 'generate',
    model: 'public',
    modelSpans: [],
    framing: 'sse',
    maxOutputTokens: undefined,
    headers: {},
    query: '',
    body: Buffer.from(JSON.stringify(body)),
  };
  return readRequest(call, 'upstream');
}

const HI = { contents: [{ role: 'user', parts: [{ text: 'hi' }] }] };

function settingsOf(generationConfig: object): Partial<NeutralRequest> {
  const {
    source: _s,
    messages: _m,
    system: _y,
    tools: _t,
    lane: _l,
    model: _o,
    stream: _r,
    ...rest
  } = read({
    ...HI,
    generationConfig,
  });
  return rest;
}

describe('A Gemini request', () => {
  it('is read as Gemini CLI writes it', () => {
    const body = {
      systemInstruction: { role: 'user', parts: [{ text: 'You are a CLI.' }, { text: 'Be brief.' }] },
      contents: [
        { role: 'user', parts: [{ text: 'list' }] },
        {
          role: 'model',
          parts: [{ functionCall: { name: 'ls', args: { path: '.' } }, thoughtSignature: 'CiEBjz1r' }],
        },
        {
          role: 'user',
          parts: [
            { functionResponse: { id: 'ls-1763-abc', name: 'ls', response: { output: 'a\nb' } } },
            { inlineData: { mimeType: 'image/png', data: 'aGk' } },
          ],
        },
      ],
      tools: [
        {
          functionDeclarations: [
            {
              name: 'ls',
              description: 'Lists.',
              parametersJsonSchema: { type: 'object', properties: { path: { type: 'string' } } },
            },
          ],
        },
      ],
      generationConfig: {
        temperature: 1,
        topP: 0.95,
        topK: 64,
        thinkingConfig: { includeThoughts: true, thinkingLevel: 'HIGH' },
      },
    };
    expect(read(body)).toEqual({
      lane: 'generate',
      model: 'upstream',
      stream: true,
      system: [
        { type: 'text', at: 'systemInstruction.parts[0].text', text: 'You are a CLI.' },
        { type: 'text', at: 'systemInstruction.parts[1].text', text: 'Be brief.' },
      ],
      messages: [
        {
          role: 'user',
          at: 'contents[0]',
          parts: [{ type: 'text', at: 'contents[0].parts[0].text', text: 'list' }],
        },
        {
          role: 'assistant',
          at: 'contents[1]',
          parts: [
            {
              type: 'tool-call',
              at: 'contents[1].parts[0].functionCall',
              id: 'call_1_0',
              name: 'ls',
              input: '{"path":"."}',
              signature: { minted: 'google', value: 'CiEBjz1r' },
            },
          ],
        },
        {
          role: 'user',
          at: 'contents[2]',
          parts: [
            {
              type: 'tool-result',
              at: 'contents[2].parts[0].functionResponse',
              id: 'call_1_0',
              name: 'ls',
              content: [{ type: 'text', at: 'contents[2].parts[0].functionResponse.response', text: 'a\nb' }],
              json: { output: 'a\nb' },
              failed: false,
            },
            {
              type: 'image',
              at: 'contents[2].parts[1].inlineData',
              media: { from: 'base64', mediaType: 'image/png', data: 'aGk=' },
            },
          ],
        },
      ],
      tools: [
        {
          at: 'tools[0].functionDeclarations[0]',
          name: 'ls',
          description: 'Lists.',
          schema: { type: 'object', properties: { path: { type: 'string' } } },
        },
      ],
      temperature: { value: 1, at: 'generationConfig.temperature' },
      topP: { value: 0.95, at: 'generationConfig.topP' },
      topK: { value: 64, at: 'generationConfig.topK' },
      thinking: {
        value: { mode: 'effort', effort: 'high', show: true },
        at: 'generationConfig.thinkingConfig',
      },
      leftovers: [],
      source: body,
    });
  });

  it('may be written in snake_case, with one content, without roles and lists', () => {
    const { messages, system, leftovers, stop, maxOutputTokens } = read({
      contents: { parts: { text: 'hi' } },
      system_instruction: { parts: { text: 'be' } },
      generation_config: { stop_sequences: ['x'], max_output_tokens: 9, candidate_count: 1 },
    });
    expect(messages).toEqual([
      {
        role: 'user',
        at: 'contents',
        parts: [{ type: 'text', at: 'contents.parts.text', text: 'hi' }],
      },
    ]);
    expect(system).toEqual([{ type: 'text', at: 'system_instruction.parts.text', text: 'be' }]);
    expect(stop).toEqual({ value: ['x'], at: 'generation_config.stop_sequences' });
    expect(maxOutputTokens).toEqual({ value: 9, at: 'generation_config.max_output_tokens' });
    expect(leftovers).toEqual([]);
  });

  it('may be inside of a count', () => {
    const { messages, tools, lane, leftovers } = read(
      {
        generateContentRequest: {
          model: 'models/public',
          ...HI,
          tools: [{ functionDeclarations: [{ name: 'f' }] }],
        },
      },
      'count',
    );
    expect(lane).toBe('count');
    expect(messages[0]?.at).toBe('generateContentRequest.contents[0]');
    expect(tools[0]?.schema).toEqual({ type: 'object', properties: {} });
    expect(leftovers).toEqual([]);
  });

  it.each([
    [
      { thinkingBudget: 8192, includeThoughts: true },
      { mode: 'budget', budgetTokens: 8192, show: true },
    ],
    [
      { thinkingBudget: 0, includeThoughts: true },
      { mode: 'off', show: false },
    ],
    [{ thinkingBudget: -1 }, { mode: 'adaptive', show: false }],
    [{ includeThoughts: true }, { mode: 'adaptive', show: true }],
    [{ thinkingLevel: 'low' }, { mode: 'effort', effort: 'low', show: false }],
    [{ thinkingLevel: 'MINIMAL' }, { mode: 'effort', effort: 'minimal', show: false }],
    [{ includeThoughts: false }, undefined],
  ])('thinks as %j says', (thinkingConfig, value) => {
    const thinking = value && { thinking: { value, at: 'generationConfig.thinkingConfig' } };
    expect(settingsOf({ thinkingConfig })).toEqual({ ...thinking, leftovers: [] });
  });

  it.each([
    [{ responseMimeType: 'text/plain' }, undefined],
    [{ responseMimeType: 'application/json' }, { value: {}, at: 'generationConfig.responseMimeType' }],
    [
      { responseMimeType: 'application/json', responseJsonSchema: { type: 'object' } },
      { value: { schema: { type: 'object' } }, at: 'generationConfig.responseJsonSchema' },
    ],
    [
      {
        responseMimeType: 'application/json',
        responseSchema: {
          type: 'OBJECT',
          nullable: true,
          propertyOrdering: ['b', 'a'],
          required: ['a'],
          properties: {
            a: { type: 'STRING', enum: ['x'], nullable: true, example: 'x' },
            b: { type: 'ARRAY', items: { type: 'INTEGER', format: 'int64' }, minItems: '1' },
            c: { anyOf: [{ type: 'NUMBER' }, { type: 'BOOLEAN' }] },
          },
        },
      },
      {
        value: {
          schema: {
            type: ['object', 'null'],
            required: ['a'],
            properties: {
              b: { type: 'array', items: { type: 'integer', format: 'int64' }, minItems: 1 },
              a: { type: ['string', 'null'], enum: ['x', null], examples: ['x'] },
              c: { anyOf: [{ type: 'number' }, { type: 'boolean' }] },
            },
          },
        },
        at: 'generationConfig.responseSchema',
      },
    ],
  ])('answers in the form that %j asks for', (config, output) => {
    const settings = settingsOf(config);
    expect(settings).toEqual({ ...(output && { output }), leftovers: [] });
    if (output) expect(JSON.stringify(settings.output)).toBe(JSON.stringify(output));
  });

  it.each([
    [{ mode: 'AUTO' }, { mode: 'auto' }],
    [{ mode: 'NONE' }, { mode: 'none' }],
    [{ mode: 'ANY' }, { mode: 'any' }],
    [
      { mode: 'ANY', allowedFunctionNames: ['f'] },
      { mode: 'one', name: 'f' },
    ],
    [
      { mode: 'any', allowed_function_names: ['f', 'g'] },
      { mode: 'any', only: ['f', 'g'] },
    ],
    [
      { mode: 'VALIDATED', allowedFunctionNames: ['f'] },
      { mode: 'auto', only: ['f'] },
    ],
  ])('chooses tools as %j says', (functionCallingConfig, choice) => {
    expect(read({ ...HI, toolConfig: { functionCallingConfig } }).toolChoice?.value).toEqual(choice);
  });

  it('pairs results with calls: by id, and without one by the name, oldest first', () => {
    const { messages } = read({
      contents: [
        {
          role: 'model',
          parts: [
            { functionCall: { name: 'f', args: { n: 1 } } },
            { functionCall: { id: 'f.x__g:1', name: 'f' } },
            { functionCall: { name: 'f' } },
          ],
        },
        {
          role: 'function',
          parts: [
            { functionResponse: { name: 'f', response: {} } },
            { functionResponse: { id: 'f.x__g:1', name: 'f', response: { error: 'no' } } },
            { functionResponse: { id: 'made-up', name: 'f', response: { a: 1, b: 2 } } },
          ],
        },
      ],
    });
    const results = messages[1]!.parts.map((part) =>
      part.type === 'tool-result'
        ? [part.id, part.failed, part.content.map((c) => 'text' in c && c.text)]
        : [],
    );
    expect(results).toEqual([
      ['call_0_0', false, []],
      ['f_x__g_1', true, ['no']],
      ['call_0_2', false, ['{"a":1,"b":2}']],
    ]);
  });

  it.each([
    [{ inlineData: { mimeType: 'application/pdf', data: 'JVBE' } }, 'document'],
    [{ inline_data: { mime_type: 'audio/wav', data: 'UklG', display_name: 'a.wav' } }, 'audio'],
    [{ fileData: { mimeType: 'video/mp4', fileUri: 'https://x.test/v.mp4' } }, 'video'],
    [{ fileData: { fileUri: 'https://x.test/a' } }, 'document'],
  ])('has media: %j', (part, type) => {
    const [message] = read({ contents: [{ parts: [part] }] }).messages;
    expect(message?.parts).toMatchObject([{ type }]);
  });

  it('has a text document as text', () => {
    const data = Buffer.from('naïve').toString('base64url');
    const [message] = read({
      contents: [{ parts: [{ inlineData: { mimeType: 'text/plain', data } }] }],
    }).messages;
    expect(message?.parts).toMatchObject([{ type: 'document', media: { from: 'text', text: 'naïve' } }]);
  });
});

describe('What a Gemini request says that no other vendor can do', () => {
  it.each([
    ['cachedContent', { cachedContent: 'cachedContents/1' }, 'cachedContent'],
    ['a log at Google', { store: false }, undefined],
    ['googleSearch', { tools: [{ googleSearch: {} }] }, 'tools[0].googleSearch'],
    ['codeExecution', { tools: [{ code_execution: {} }] }, 'tools[0].code_execution'],
    ['urlContext', { tools: [{ urlContext: {} }] }, 'tools[0].urlContext'],
    ['candidates', { generationConfig: { candidateCount: 2 } }, 'generationConfig.candidateCount'],
    [
      'images',
      { generationConfig: { responseModalities: ['IMAGE'] } },
      'generationConfig.responseModalities',
    ],
    ['speech', { generationConfig: { speechConfig: {} } }, 'generationConfig.speechConfig'],
    ['log probabilities', { generationConfig: { logprobs: 3 } }, 'generationConfig.logprobs'],
    [
      'a filter',
      { safetySettings: [{ category: 'HARM_CATEGORY_HARASSMENT', threshold: 'BLOCK_LOW_AND_ABOVE' }] },
      'safetySettings[0].threshold',
    ],
    ['anything new', { somethingNew: 1 }, 'somethingNew'],
    [
      'code in the history',
      { contents: [{ role: 'model', parts: [{ executableCode: { code: '1' } }] }] },
      'contents[0].parts[0].executableCode',
    ],
    [
      'a cut of a video',
      {
        contents: [
          { parts: [{ inlineData: { mimeType: 'video/mp4', data: 'AA' }, videoMetadata: { fps: 1 } }] },
        ],
      },
      'contents[0].parts[0].videoMetadata',
    ],
    ['a name with a sign too many', { service__tier: 'x' }, 'service__tier'],
  ])('is left over by its name: %s', (_, fields, at) => {
    const refused = read({ ...HI, ...fields }).leftovers.filter(({ advice }) => !advice);
    expect(refused.map((leftover) => leftover.at)).toEqual(at === undefined ? ['store'] : [at]);
  });

  it.each([
    ['labels', { labels: { team: 'a' } }, 'labels'],
    ['the tier', { serviceTier: 'flex' }, 'serviceTier'],
    [
      'filters that let everything pass',
      { safetySettings: [{ category: 'HARM_CATEGORY_HARASSMENT', threshold: 'BLOCK_NONE' }] },
      'safetySettings[0]',
    ],
    [
      'resolution',
      { generationConfig: { mediaResolution: 'MEDIA_RESOLUTION_LOW' } },
      'generationConfig.mediaResolution',
    ],
    [
      'what a tool answers',
      { tools: [{ functionDeclarations: [{ name: 'f', responseJsonSchema: {} }] }] },
      'tools[0].functionDeclarations[0].responseJsonSchema',
    ],
    [
      'VALIDATED',
      { toolConfig: { functionCallingConfig: { mode: 'VALIDATED' } } },
      'toolConfig.functionCallingConfig.mode',
    ],
  ])('is advice: %s', (_, fields, at) => {
    expect(read({ ...HI, ...fields }).leftovers).toEqual([{ at, advice: true }]);
  });

  it.each([
    [{ generationConfig: { responseModalities: ['TEXT'], responseLogprobs: false, seed: null } }],
    [{ tools: [], toolConfig: {}, safetySettings: [] }],
  ])('is nothing where nothing is asked: %j', (fields) => {
    expect(read({ ...HI, ...fields }).leftovers).toEqual([]);
  });
});

describe('A Gemini request that is wrong', () => {
  it.each([
    [{ contents: [{ role: 'system', parts: [] }] }, 'contents[0].role: must be user or model'],
    [{ contents: [{ parts: [{ text: 5 }] }] }, 'contents[0].parts[0].text: must be a string'],
    [{ contents: [7] }, 'contents[0]: must be an object'],
    [
      { contents: [{ parts: [{ functionResponse: { name: 'f', response: {} } }] }] },
      'contents[0].parts[0].functionResponse: answers no functionCall before it',
    ],
    [
      { contents: [{ parts: [{ functionCall: { args: {} } }] }] },
      'contents[0].parts[0].functionCall.name: is required',
    ],
    [
      { contents: [{ parts: [{ text: 'a', inlineData: { mimeType: 'image/png', data: '' } }] }] },
      'contents[0].parts[0]: must hold one kind of data',
    ],
    [
      { contents: [{ parts: [{ fileData: { fileUri: 'gs://b/o' } }] }] },
      'contents[0].parts[0].fileData.fileUri: lies at Google, and another vendor serves this model',
    ],
    [{ ...HI, generationConfig: { topK: 'x' } }, 'generationConfig.topK: must be a number'],
    [{ ...HI, generationConfig: { topK: 1, top_k: 1 } }, 'generationConfig.top_k: is given twice'],
    [{ ...HI, generationConfig: { stopSequences: 'x' } }, 'generationConfig.stopSequences: must be a list'],
    [
      { ...HI, generationConfig: { responseSchema: { type: 'OBJECT' } } },
      'generationConfig.responseSchema: goes with the responseMimeType application/json',
    ],
    [
      { ...HI, generationConfig: { responseMimeType: 'text/x.enum' } },
      'generationConfig.responseMimeType: must be text/plain or application/json here',
    ],
    [
      { ...HI, tools: [{ functionDeclarations: [{ name: 'f', parameters: { type: 'DATE' } }] }] },
      'tools[0].functionDeclarations[0].parameters.type: is no type of a schema',
    ],
  ])('is refused by the name of the field: %j', (body, message) => {
    expect(() => read(body)).toThrow(message);
  });
});

describe('Seals in a Gemini conversation', () => {
  const CLAUDES = { minted: 'anthropic', value: 'EqQB' } as const;

  function partsOf(parts: readonly object[]) {
    const { messages, leftovers } = read({ contents: [{ role: 'model', parts }] });
    return { parts: messages[0]!.parts, leftovers };
  }

  it('give back what was thought before a call, and the shown thoughts are dropped without loss', () => {
    const seal = packCarried([
      { kind: 'redacted', data: { minted: 'anthropic', value: 'ZW5j' } },
      { kind: 'thinking', text: 'One. Two.', signature: CLAUDES },
    ]);
    const { parts, leftovers } = partsOf([
      { text: 'One. ', thought: true },
      { text: 'Two.', thought: true },
      { text: 'Look:' },
      { functionCall: { id: 'toolu_1', name: 'f', args: {} }, thoughtSignature: seal },
    ]);
    const at = 'contents[0].parts[3].thoughtSignature';
    expect(parts).toEqual([
      { type: 'thinking', at, text: '', redacted: { minted: 'anthropic', value: 'ZW5j' } },
      { type: 'thinking', at, text: 'One. Two.', signature: CLAUDES },
      { type: 'text', at: 'contents[0].parts[2].text', text: 'Look:' },
      { type: 'tool-call', at: 'contents[0].parts[3].functionCall', id: 'toolu_1', name: 'f', input: '{}' },
    ]);
    expect(leftovers).toEqual([]);
  });

  it('count for the whole turn where a chat keeps each frame as a content of its own', () => {
    const seal = (text: string) => packCarried([{ kind: 'thinking', text, signature: CLAUDES }]);
    const call = (name: string, text: string) => ({ functionCall: { name }, thoughtSignature: seal(text) });
    const { messages, leftovers } = read({
      contents: [
        { text: 'One.', thought: true },
        { text: 'Look:' },
        call('f', 'One.'),
        call('g', 'Two.'),
      ].map((part) => ({ role: 'model', parts: [part] })),
    });
    expect(messages).toHaveLength(1);
    expect(
      messages[0]!.parts.map((part) => ('name' in part ? part.name : 'text' in part && part.text)),
    ).toEqual(['One.', 'Look:', 'f', 'Two.', 'g']);
    expect(leftovers).toEqual([]);
  });

  it('tell of shown thoughts that no seal has', () => {
    expect(partsOf([{ text: 'lost', thought: true }, { text: 'a' }])).toEqual({
      parts: [{ type: 'text', at: 'contents[0].parts[1].text', text: 'a' }],
      leftovers: [{ at: 'contents[0].parts[0].thought', advice: true }],
    });
  });

  it('may be over a text, or over nothing', () => {
    const { parts } = partsOf([
      { text: 'a', thoughtSignature: 'CiEB' },
      { text: '', thought_signature: 'CiEC' },
      { text: '' },
    ]);
    expect(parts).toEqual([
      {
        type: 'text',
        at: 'contents[0].parts[0].text',
        text: 'a',
        signature: { minted: 'google', value: 'CiEB' },
      },
      {
        type: 'text',
        at: 'contents[0].parts[1].text',
        text: '',
        signature: { minted: 'google', value: 'CiEC' },
      },
    ]);
  });

  it('may be all that a part has, and a turn that only thinks is none', () => {
    const thoughtSignature = 'skip_thought_signature_validator';
    const { messages } = read({
      contents: [
        { role: 'model', parts: [{ thoughtSignature: 'CiEB' }] },
        { role: 'user', parts: [{ text: 'a' }] },
        { role: 'model', parts: [{ text: 'Go.', thought: true, thoughtSignature }] },
      ],
    });
    expect(messages.map(({ at, parts }) => [at, parts.length])).toEqual([
      ['contents[0]', 1],
      ['contents[1]', 1],
    ]);
    expect(messages[0]!.parts[0]).toMatchObject({ text: '', signature: { minted: 'google', value: 'CiEB' } });
  });

  it.each([
    ['skip_thought_signature_validator'],
    ['context_engineering_is_the_way_to_go'],
    [packCarried([])],
  ])('are none where %s stands for one', (thoughtSignature) => {
    const { parts, leftovers } = partsOf([{ functionCall: { name: 'f' }, thoughtSignature }]);
    expect(parts).toEqual([expect.not.objectContaining({ signature: expect.anything() as unknown })]);
    expect(leftovers).toEqual([]);
  });

  it('are left out when they are broken, which is told', () => {
    const { leftovers } = partsOf([{ functionCall: { name: 'f' }, thoughtSignature: 'rlsig001%%' }]);
    expect(leftovers).toEqual([{ at: 'contents[0].parts[0].thoughtSignature', advice: true }]);
  });
});
