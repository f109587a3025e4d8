import { NO_USAGE, type Call, type Usage } from '../../dialects/dialect.ts';
import { packCarried } from '../carried.ts';
import type { AnswerContext, NeutralEvent, NeutralRequest, Part, StopReason } from '../neutral.ts';
import { geminiClient } from './gemini-client.ts';

/** Frames by https://ai.google.dev/api/generate-content#generatecontentresponse and `Candidate` of @google/genai 2.32. */
const USAGE: Usage = {
  ...NO_USAGE,
  inputTokens: 10,
  cacheReadTokens: 100,
  cacheWrite5mTokens: 7,
  cacheWrite1hTokens: 3,
  outputTokens: 50,
  reasoningTokens: 20,
};
const METADATA = {
  promptTokenCount: 120,
  candidatesTokenCount: 30,
  totalTokenCount: 170,
  cachedContentTokenCount: 100,
  thoughtsTokenCount: 20,
};
const NAMES = { modelVersion: 'claude-x', responseId: 'msg_1' };

function contextOf(show = false, usage = USAGE): AnswerContext {
  const request = { thinking: { value: { mode: 'adaptive', show }, at: 't' } } as unknown as NeutralRequest;
  return { request, model: 'public', requestId: 'relay-1', now: 0, usage: () => usage };
}

const START: NeutralEvent = { type: 'start', id: 'msg_1', model: 'claude-x' };
const CLAUDES = { minted: 'anthropic', value: 'EqQB' } as const;
const THOUGHT: readonly NeutralEvent[] = [
  { type: 'part', part: 'thinking' },
  { type: 'delta', text: 'Hm. ' },
  { type: 'delta', text: '思.' },
  { type: 'signature', signature: CLAUDES },
  { type: 'part-end' },
];
const TEXT: readonly NeutralEvent[] = [
  { type: 'part', part: 'text' },
  { type: 'delta', text: 'Lo' },
  { type: 'delta', text: 'ok.' },
  { type: 'part-end' },
];

function callOf(id: string, ...pieces: readonly string[]): readonly NeutralEvent[] {
  return [
    { type: 'part', part: 'tool-call', id, name: 'f' },
    ...pieces.map((text): NeutralEvent => ({ type: 'delta', text })),
    { type: 'part-end' },
  ];
}

function ends(reason: StopReason, detail?: string): readonly NeutralEvent[] {
  return [{ type: 'stop', reason, ...(detail && { detail }) }, { type: 'end' }];
}

function stream(
  events: readonly NeutralEvent[],
  context = contextOf(),
  framing: 'sse' | 'json-array' = 'sse',
) {
  const writer = geminiClient.writer(context, framing);
  return events.map((event) => writer.write(event)).join('');
}

const SEAL = packCarried([{ kind: 'thinking', text: 'Hm. 思.', signature: CLAUDES }]);
const content = (...parts: readonly object[]) => ({ content: { parts, role: 'model' }, index: 0 });

describe('An answer for clients of Gemini', () => {
  const events = [START, ...THOUGHT, ...TEXT, ...callOf('toolu_1', '{"n":', '1}'), ...callOf('toolu_2')];
  const calls = [
    { functionCall: { id: 'toolu_1', name: 'f', args: { n: 1 } }, thoughtSignature: SEAL },
    { functionCall: { id: 'toolu_2', name: 'f', args: {} } },
  ];
  const last = { candidates: [{ index: 0, finishReason: 'STOP' }], usageMetadata: METADATA, ...NAMES };

  it('is streamed piece by piece, calls whole, the reason and the usage at the end', () => {
    const frames = [
      { candidates: [content({ text: 'Hm. ', thought: true })], ...NAMES },
      { candidates: [content({ text: '思.', thought: true })], ...NAMES },
      { candidates: [content({ text: 'Lo' })], ...NAMES },
      { candidates: [content({ text: 'ok.' })], ...NAMES },
      { candidates: [content(calls[0]!)], ...NAMES },
      { candidates: [content(calls[1]!)], ...NAMES },
      last,
    ];
    const told = stream([...events, ...ends('tool-calls')], contextOf(true));
    expect(told).toBe(frames.map((frame) => `data: ${JSON.stringify(frame)}\r\n\r\n`).join(''));
  });

  it('hides thoughts that the client does not want to see, and carries them all the same', () => {
    const told = stream([...events, ...ends('tool-calls')]);
    expect(told).not.toContain('"thought":true');
    expect(told).toContain(`"thoughtSignature":"${SEAL}"`);
  });

  it('may be a streamed array, each frame whole', () => {
    const writer = geminiClient.writer(contextOf(), 'json-array');
    const told = [START, ...TEXT, ...ends('end')].map((event) => writer.write(event));
    const [lo, ok] = ['Lo', 'ok.'].map((text) =>
      JSON.stringify({ candidates: [content({ text })], ...NAMES }),
    );
    expect(told.filter((text) => text !== '')).toEqual([
      `[${lo}`,
      `,\r\n${ok}`,
      `,\r\n${JSON.stringify(last)}\r\n]`,
    ]);
    expect(stream([START, ...ends('end')], contextOf(), 'json-array')).toBe(`[${JSON.stringify(last)}\r\n]`);
  });

  it('is one document, its pieces put together', () => {
    expect(geminiClient.document([...events, ...ends('tool-calls')], contextOf(true))).toEqual({
      candidates: [
        {
          ...content({ text: 'Hm. 思.', thought: true }, { text: 'Look.' }, ...calls),
          finishReason: 'STOP',
        },
      ],
      usageMetadata: METADATA,
      ...NAMES,
    });
  });

  it('has its seal at the end of a stream without calls, and on the last text of a document', () => {
    const spoken = [START, ...THOUGHT, ...TEXT, ...ends('end')];
    const frames = stream(spoken).trimEnd().split('\r\n\r\n');
    expect(JSON.parse(frames.at(-1)!.slice('data: '.length))).toEqual({
      candidates: [{ ...content({ text: '', thoughtSignature: SEAL }), finishReason: 'STOP' }],
      usageMetadata: METADATA,
      ...NAMES,
    });
    expect(geminiClient.document(spoken, contextOf())).toMatchObject({
      candidates: [content({ text: 'Look.', thoughtSignature: SEAL })],
    });
  });

  it("marks the first call as another vendor's even where nothing was thought", () => {
    expect(
      geminiClient.document([START, ...callOf('a'), ...callOf('b'), ...ends('tool-calls')], contextOf()),
    ).toMatchObject({
      candidates: [
        content(
          { functionCall: { id: 'a', name: 'f', args: {} }, thoughtSignature: packCarried([]) },
          { functionCall: { id: 'b', name: 'f', args: {} } },
        ),
      ],
    });
  });

  it.each([
    ['end', 'STOP'],
    ['stop-sequence', 'STOP'],
    ['tool-calls', 'STOP'],
    ['max-tokens', 'MAX_TOKENS'],
    ['context-full', 'MAX_TOKENS'],
    ['refusal', 'SAFETY'],
    ['filtered', 'SAFETY'],
  ] as const)('stops: %s as %s', (reason, finishReason) => {
    expect(geminiClient.document([START, ...ends(reason)], contextOf())).toMatchObject({
      candidates: [{ index: 0, finishReason }],
    });
  });

  it('says in which words the vendor refused', () => {
    expect(geminiClient.document([START, ...ends('refusal', 'no')], contextOf())).toMatchObject({
      candidates: [{ index: 0, finishReason: 'SAFETY', finishMessage: 'no' }],
    });
  });

  it('has no candidates when the prompt was blocked', () => {
    const blocked = (blockReason: string) => ({
      promptFeedback: { blockReason },
      usageMetadata: METADATA,
      ...NAMES,
    });
    expect(geminiClient.document([START, ...ends('blocked', 'guardrail')], contextOf())).toEqual(
      blocked('OTHER'),
    );
    expect(stream([START, ...ends('blocked', 'SAFETY')])).toBe(
      `data: ${JSON.stringify(blocked('SAFETY'))}\r\n\r\n`,
    );
  });

  it.each([
    ['end', 'MALFORMED_FUNCTION_CALL'],
    ['max-tokens', 'MAX_TOKENS'],
  ] as const)('leaves out a call with half its arguments: %s', (reason, finishReason) => {
    const document = geminiClient.document([START, ...callOf('a', '{"n":'), ...ends(reason)], contextOf());
    expect(document).toMatchObject({ candidates: [{ index: 0, finishReason }] });
    expect(JSON.stringify(document)).not.toContain('functionCall');
  });

  it('leaves the frame of a failure to the relay', () => {
    const failure = { type: 'overloaded_error', message: 'x' };
    expect(stream([START, ...TEXT, { type: 'error', failure }]).split('data:')).toHaveLength(3);
  });

  it("names the relay's own id and the client's model where the upstream names none", () => {
    const nameless: NeutralEvent = { type: 'start', id: '', model: undefined };
    expect(geminiClient.document([nameless, ...TEXT, ...ends('end')], contextOf(false, NO_USAGE))).toEqual({
      candidates: [{ ...content({ text: 'Look.' }), finishReason: 'STOP' }],
      usageMetadata: { promptTokenCount: 0, candidatesTokenCount: 0, totalTokenCount: 0 },
      modelVersion: 'public',
      responseId: 'relay-1',
    });
  });

  it('has a file that the model made, and a count', () => {
    const media: NeutralEvent = { type: 'part', part: 'media', mediaType: 'image/png', data: 'aGk=' };
    expect(
      geminiClient.document([START, media, { type: 'part-end' }, ...ends('end')], contextOf()),
    ).toMatchObject({ candidates: [content({ inlineData: { mimeType: 'image/png', data: 'aGk=' } })] });
    expect(geminiClient.countDocument!(31)).toEqual({ totalTokens: 31 });
  });
});

describe('What Claude thought, through a client of Gemini and back', () => {
  const redacted = { minted: 'anthropic', value: 'ZW5j' } as const;
  const answer = [
    START,
    { type: 'part', part: 'redacted-thinking', data: redacted },
    { type: 'part-end' },
    ...THOUGHT,
    ...TEXT,
    ...callOf('toolu_1', '{"n":1}'),
    ...callOf('toolu_2'),
    ...ends('tool-calls'),
  ] as readonly NeutralEvent[];

  /** @returns the parts of the model's turn as the second request brings them */
  function secondTurn(contents: readonly object[]): { parts: readonly Part[]; leftovers: readonly object[] } {
    const results = ['toolu_1', 'toolu_2'].map((id) => ({
      functionResponse: { id, name: 'f', response: { output: 'ok' } },
    }));
    const body = { contents: [...contents, { role: 'user', parts: results }] };
    const call: Call = {
      dialect: 'gemini',
      operation: 'generate',
      lane: 'generate',
      model: 'm',
      modelSpans: [],
      framing: 'sse',
      maxOutputTokens: undefined,
      headers: {},
      query: '',
      body: Buffer.from(JSON.stringify(body)),
    };
    const { messages, leftovers } = geminiClient.readRequest(call, 'm');
    return { parts: messages[0]!.parts, leftovers };
  }

  interface Frame {
    readonly candidates: readonly {
      readonly content?: { readonly parts: readonly Record<string, unknown>[] };
    }[];
  }

  function framesOf(context: AnswerContext): readonly Frame[] {
    const frames = stream(answer, context).trimEnd().split('\r\n\r\n');
    return frames.map((frame) => JSON.parse(frame.slice('data: '.length)) as Frame);
  }

  /** As each client keeps the answer for its next request. */
  const HISTORIES: readonly [string, () => readonly object[]][] = [
    [
      'a chat of @google/genai, a content for each frame',
      () => framesOf(contextOf(true)).flatMap(({ candidates }) => candidates[0]?.content ?? []),
    ],
    [
      'Gemini CLI, without thoughts, texts put together',
      () => {
        const parts = framesOf(contextOf(true)).flatMap(
          ({ candidates }) => candidates[0]?.content?.parts ?? [],
        );
        const kept = parts.filter((part) => part['thought'] !== true && part['functionCall'] !== undefined);
        return [{ role: 'model', parts: [{ text: 'Look.' }, ...kept] }];
      },
    ],
    [
      'a client of documents',
      () => {
        const document = geminiClient.document(answer, contextOf(true)) as Frame;
        return document.candidates.map((candidate) => candidate.content!);
      },
    ],
    [
      'a client in Python, which decodes the seal to bytes and encodes it by another alphabet',
      () => {
        const document = geminiClient.document(answer, contextOf()) as Frame;
        const parts = document.candidates[0]!.content!.parts.map((part) => {
          const seal = part['thoughtSignature'];
          if (typeof seal !== 'string') return part;
          return { ...part, thoughtSignature: Buffer.from(seal, 'base64').toString('base64url') };
        });
        return [{ role: 'model', parts }];
      },
    ],
  ];

  it.each(HISTORIES)('comes back before the call: %s', (_, history) => {
    const { parts, leftovers } = secondTurn(history());
    const bare = parts.map(({ at: _at, ...part }) => part);
    expect(bare.slice(0, 2)).toEqual([
      { type: 'thinking', text: '', redacted },
      { type: 'thinking', text: 'Hm. 思.', signature: CLAUDES },
    ]);
    expect(bare.slice(-2)).toEqual([
      { type: 'tool-call', id: 'toolu_1', name: 'f', input: '{"n":1}' },
      { type: 'tool-call', id: 'toolu_2', name: 'f', input: '{}' },
    ]);
    const text = parts.map((part) => (part.type === 'text' ? part.text : '')).join('');
    expect(text).toBe('Look.');
    expect(parts.filter(({ type }) => type === 'thinking')).toHaveLength(2);
    expect(leftovers).toEqual([]);
  });
});
