import type { AnswerReader, Framing, Operation, Usage } from './dialect.ts';
import { openaiReader } from './openai-reader.ts';

/** Frames by hand after the API reference ("Chat completion chunk object") and the servers' own docs. */
const event = (data: unknown): string => `data: ${JSON.stringify(data)}\n\n`;
const chunk = (fields: object): string => event({ object: 'chat.completion.chunk', ...fields });
const says = (content: string, usage: unknown = null): string =>
  chunk({ choices: [{ index: 0, delta: { content }, finish_reason: null }], usage });
const stops = (reason = 'stop', usage: unknown = null): string =>
  chunk({ choices: [{ index: 0, delta: {}, finish_reason: reason }], usage });
const alone = (usage: unknown): string => chunk({ choices: [], usage });
const DONE = 'data: [DONE]\n\n';

function read(text: string, operation: Operation = 'generate', framing: Framing = 'sse'): AnswerReader {
  const reader = openaiReader(operation, framing);
  reader.push(Buffer.from(text));
  reader.finish();
  return reader;
}

const usage = (fields: Partial<Usage>): object => ({
  inputTokens: 0,
  cacheReadTokens: 0,
  cacheWrite5mTokens: 0,
  cacheWrite1hTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
  serverTools: {},
  ...fields,
});

describe('usage in a chat stream', () => {
  it.each<[string, object, Partial<Usage>, boolean?]>([
    [
      'plain',
      { prompt_tokens: 9, completion_tokens: 4, total_tokens: 13 },
      { inputTokens: 9, outputTokens: 4 },
    ],
    [
      'with cached, written and reasoning parts',
      {
        prompt_tokens: 100,
        completion_tokens: 50,
        total_tokens: 150,
        prompt_tokens_details: { cached_tokens: 60, cache_write_tokens: 30, audio_tokens: 0 },
        completion_tokens_details: { reasoning_tokens: 40 },
      },
      { inputTokens: 10, cacheReadTokens: 60, cacheWrite5mTokens: 30, outputTokens: 50, reasoningTokens: 40 },
    ],
    [
      "in DeepSeek's names",
      { prompt_tokens: 10, completion_tokens: 1, prompt_cache_hit_tokens: 8, prompt_cache_miss_tokens: 2 },
      { inputTokens: 2, cacheReadTokens: 8, outputTokens: 1 },
    ],
    [
      'with reasoning beside the completion',
      {
        prompt_tokens: 10,
        completion_tokens: 5,
        total_tokens: 35,
        completion_tokens_details: { reasoning_tokens: 20 },
      },
      { inputTokens: 10, outputTokens: 25, reasoningTokens: 20 },
    ],
    [
      'with nulls for details',
      { prompt_tokens: 3, completion_tokens: 1, prompt_tokens_details: null },
      { inputTokens: 3, outputTokens: 1 },
    ],
    [
      'with more cached than there was',
      { prompt_tokens: 3, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 5 } },
      { cacheReadTokens: 3, outputTokens: 1 },
      true,
    ],
    ['with a negative count', { prompt_tokens: -3, completion_tokens: 1 }, { outputTokens: 1 }, true],
  ])('is read %s', (_what, told, expected, suspicious = false) => {
    for (const text of [says('hi') + stops() + alone(told) + DONE, says('hi') + stops('stop', told) + DONE]) {
      const reader = read(text);
      expect(reader).toMatchObject({ complete: true, lost: false, reported: true });
      expect(reader.failure).toBeUndefined();
      expect(reader.usage).toMatchObject(expected);
    }
    const reader = read(stops() + alone(told) + DONE);
    expect(reader.usage).toEqual(usage(expected));
    expect(reader.suspicious).toBe(suspicious);
  });

  it('is the last that was told where every chunk tells it', () => {
    const told = (completion_tokens: number) => ({ prompt_tokens: 9, completion_tokens });
    const reader = read(says('a', told(1)) + says('b', told(2)) + stops('stop', told(3)) + DONE);
    expect(reader.usage).toEqual(usage({ inputTokens: 9, outputTokens: 3 }));
  });

  it('is not reported where every chunk has null', () => {
    expect(read(says('hi') + stops() + DONE)).toMatchObject({ reported: false, complete: true });
  });

  it('is read the same wherever the bytes are split', () => {
    const bytes = Buffer.from(
      `: hello\r\n\r\n${says('naïve')}${stops()}${alone({ prompt_tokens: 12, completion_tokens: 34 })}${DONE}`,
    );
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const reader = openaiReader('generate', 'sse');
      reader.push(bytes.subarray(0, cut));
      reader.push(bytes.subarray(cut));
      reader.finish();
      expect(reader).toMatchObject({ complete: true, lost: false, generatedBytes: 6 });
      expect(reader.usage).toEqual(usage({ inputTokens: 12, outputTokens: 34 }));
    }
  });
});

describe('the end of a chat stream', () => {
  it.each<[string, string, boolean]>([
    ['[DONE]', says('a') + DONE, true],
    ['[DONE] with more behind it', `${says('a')}data: [DONE] \r\n\r\n`, true],
    ['a reason to finish and an orderly end', says('a') + stops('length'), true],
    ['nothing of the kind', says('a'), false],
    ['a reason to finish, and a torn frame', `${says('a')}${stops()}data: {"choices":[],"us`, false],
    ['an empty reason', says('a') + stops(''), false],
    ['a beginning of [DONE]', `${says('a')}data: [DO\n\n`, false],
  ])('is %s', (_what, text, complete) => {
    expect(read(text).complete).toBe(complete);
  });

  it('is known at [DONE], and without it only at the end of the bytes', () => {
    const reader = openaiReader('generate', 'sse');
    reader.push(Buffer.from(says('a') + stops()));
    expect(reader.complete).toBe(false);
    reader.push(Buffer.from(DONE));
    expect(reader).toMatchObject({ complete: true, atBoundary: true });
  });

  it('is not seen in a text that says [DONE]', () => {
    const reader = openaiReader('generate', 'sse');
    reader.push(Buffer.from(says('[DONE]')));
    expect(reader).toMatchObject({ complete: false, lost: false });
  });

  it('is missing from a stream of nothing else', () => {
    expect(read(DONE).lost).toBe(true);
  });
});

describe('an error told in a stream', () => {
  it.each<[string, unknown, object]>([
    [
      'OpenAI',
      { error: { message: 'busy', type: 'server_error', param: null, code: null } },
      { type: 'server_error', message: 'busy', status: 500 },
    ],
    [
      'OpenAI, with a code',
      { error: { message: 'slow', type: 'requests', code: 'rate_limit_exceeded' } },
      { type: 'rate_limit_exceeded', message: 'slow', status: 429 },
    ],
    [
      'OpenRouter',
      { id: 'x', choices: [], error: { code: 502, message: 'gone' } },
      { type: 'error', message: 'gone', status: 502 },
    ],
    ['a server with a text', { error: 'out of memory' }, { type: 'error', message: 'out of memory' }],
    [
      'vLLM of old',
      { object: 'error', message: 'bad', type: 'BadRequestError', param: null, code: 400 },
      { type: 'BadRequestError', message: 'bad', status: 400 },
    ],
  ])('is a failure: %s', (_who, frame, failure) => {
    const reader = read(says('a') + event(frame) + DONE);
    expect(reader.failure).toEqual(failure);
    expect(reader.complete).toBe(false);
  });

  it('is not seen where error is null', () => {
    expect(read(event({ choices: [], error: null }) + DONE).failure).toBeUndefined();
  });
});

describe('what was generated', () => {
  it('counts texts, refusals, reasoning and arguments', () => {
    const deltas = [
      { content: 'ab' },
      { refusal: 'cd' },
      { reasoning_content: 'ef' },
      { reasoning: 'gh' },
      { tool_calls: [{ index: 0, id: 'call_1', function: { name: 'weather', arguments: '{"a"' } }] },
    ];
    const text = deltas.map((delta) => chunk({ choices: [{ index: 0, delta }] })).join('');
    expect(read(text).generatedBytes).toBe(12);
  });

  it('counts a text that is not whole', () => {
    const reader = openaiReader('generate', 'sse');
    reader.push(Buffer.from('data: {"choices":[{"delta":{"content":"abcdef'));
    expect(reader).toMatchObject({ generatedBytes: 6, atBoundary: false });
  });
});

describe('a document', () => {
  const answer = {
    object: 'chat.completion',
    choices: [{ index: 0, message: { role: 'assistant', content: 'Good day' }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 },
  };

  it('is read whole', () => {
    const reader = read(JSON.stringify(answer), 'generate', 'json');
    expect(reader).toMatchObject({ complete: true, lost: false, generatedBytes: 8, reported: true });
    expect(reader.usage).toEqual(usage({ inputTokens: 5, outputTokens: 2 }));
  });

  it.each<[string, string]>([
    ['torn', JSON.stringify(answer).slice(0, -1)],
    ['of another kind', '{"ok":true}'],
    ['an error', '{"error":{"message":"no","type":"server_error"}}'],
    ['a list', JSON.stringify([answer])],
  ])('is not complete when it is %s', (_what, text) => {
    expect(read(text, 'generate', 'json').complete).toBe(false);
  });

  it.each([
    [{ prompt_tokens: 8, total_tokens: 8 }, 8],
    [{ total_tokens: 6 }, 6],
  ])('of embeddings tells its prompt alone: %j', (told, inputTokens) => {
    const document = { object: 'list', data: [{ object: 'embedding', index: 0, embedding: [0.1, -2e-3] }] };
    const reader = read(JSON.stringify({ ...document, model: 'm', usage: told }), 'embed', 'json');
    expect(reader).toMatchObject({ complete: true, lost: false, reported: true });
    expect(reader.usage).toEqual(usage({ inputTokens }));
  });
});
