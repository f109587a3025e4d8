import type { Call, DialectName } from '../dialects/dialect.ts';
import { CallError } from '../dialects/dialect.ts';
import { packCarried } from './carried.ts';
import { translate } from './translation.ts';

/**
 * A translation is one piece of work on the event loop. Bodies as large as the reader of calls lets pass (250,000 names,
 * 32 MiB) are translated in time that grows with them, not with their square: here a second or so, where the square
 * would take minutes.
 */
const LIVENESS_MS = 60_000;

function call(dialect: DialectName, body: object, model = 'm'): Call {
  return {
    dialect,
    operation: 'generate',
    lane: 'generate',
    model,
    modelSpans: [],
    framing: 'json',
    maxOutputTokens: undefined,
    headers: {},
    query: '',
    body: Buffer.from(JSON.stringify(body)),
  };
}

const many = <T>(count: number, make: (i: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i));

/** Long enough that reading it once for every thought is reading for minutes. */
const SEALED = packCarried([{ kind: 'thinking', text: 'a'.repeat(4_000_000) }]);

describe('a very large call', () => {
  it(
    'has as many shown thoughts as its seal does not hold',
    () => {
      const shown = many(60_000, () => ({ thought: true, text: 'b' }));
      const sealed = { functionCall: { name: 'f', args: {} }, thoughtSignature: SEALED };
      const contents = [{ role: 'model', parts: [...shown, sealed] }];
      const { edits } = translate(call('gemini', { contents }), 'openai', 'm');
      expect(edits).toContain('left-out:contents');
    },
    LIVENESS_MS,
  );

  it(
    'has as many shown thoughts as its seal holds',
    () => {
      const sealed = packCarried([{ kind: 'thinking', text: 'x'.repeat(60_000) }]);
      const shown = many(60_000, () => ({ thought: true, text: 'x' }));
      const last = { functionCall: { name: 'f', args: {} }, thoughtSignature: sealed };
      const { edits } = translate(
        call('gemini', { contents: [{ role: 'model', parts: [...shown, last] }] }),
        'openai',
        'm',
      );
      expect(edits).not.toContain('left-out:contents');
    },
    LIVENESS_MS,
  );

  it(
    'has as many reasoning items as its seal does not hold',
    () => {
      const summary = [{ type: 'summary_text', text: 'b' }];
      const items = many(50_000, () => ({ type: 'reasoning', summary }));
      const input = [...items, { type: 'reasoning', summary: [], encrypted_content: SEALED }];
      const { edits } = translate(call('openai-responses', { input }), 'gemini', 'gemini-2.5-flash');
      expect(edits).toContain('left-out:input');
    },
    LIVENESS_MS,
  );

  it(
    'has thousands of calls, each answered by its id',
    () => {
      const calls = many(30_000, (i) => ({ functionCall: { id: `c${i}`, name: 'f' } }));
      const answers = many(30_000, (i) => ({ functionResponse: { id: `c${i}`, name: 'f', response: {} } }));
      const contents = [
        { role: 'model', parts: calls },
        { role: 'user', parts: answers },
      ];
      const { call: written } = translate(call('gemini', { contents }), 'openai', 'm');
      const { messages } = JSON.parse(written.body.toString()) as { messages: readonly object[] };
      expect(messages.at(-1)).toMatchObject({ role: 'tool', tool_call_id: 'c29999' });
    },
    LIVENESS_MS,
  );

  it(
    'has thousands of documents under one name',
    () => {
      const source = { type: 'text', media_type: 'text/plain', data: 'a' };
      const documents = many(40_000, () => ({ type: 'document', source }));
      const content = [{ type: 'text', text: 'Read.' }, ...documents];
      const body = { messages: [{ role: 'user', content }] };
      const { call: written } = translate(
        call('anthropic', body),
        'bedrock-converse',
        'amazon.nova-pro-v1:0',
      );
      expect(written.body.includes('"name":"document (40000)"')).toBe(true);
    },
    LIVENESS_MS,
  );

  it(
    'has thousands of turns of one role',
    () => {
      const messages = many(99_000, () => ({ role: 'user', content: 'a' }));
      const { call: written } = translate(
        call('anthropic', { messages }),
        'bedrock-converse',
        'amazon.nova-pro-v1:0',
      );
      expect((JSON.parse(written.body.toString()) as { messages: readonly object[] }).messages).toHaveLength(
        1,
      );
    },
    LIVENESS_MS,
  );

  it(
    'has a schema of thousands of properties, in their order',
    () => {
      const names = many(60_000, (i) => `p${i}`);
      const properties = Object.fromEntries(names.map((name) => [name, { type: 'STRING' }]));
      const parameters = { type: 'OBJECT', properties, propertyOrdering: [...names].reverse() };
      const body = { contents: [], tools: [{ functionDeclarations: [{ name: 'f', parameters }] }] };
      const { call: written } = translate(call('gemini', body), 'openai', 'm');
      expect(written.body.includes('"properties":{"p59999"')).toBe(true);
    },
    LIVENESS_MS,
  );

  it(
    'has a format whose every property is required',
    () => {
      const names = many(100_000, (i) => `p${i}`);
      const properties = Object.fromEntries(names.map((name) => [name, {}]));
      const schema = {
        type: 'object',
        additionalProperties: false,
        properties,
        required: [...names].reverse(),
      };
      const body = {
        messages: [],
        max_tokens: 9,
        output_config: { format: { type: 'json_schema', schema } },
      };
      const { call: written } = translate(call('anthropic', body), 'openai', 'm');
      expect(written.body.includes('"strict":true')).toBe(true);
    },
    LIVENESS_MS,
  );

  it(
    'offers some of thousands of tools',
    () => {
      const names = many(40_000, (i) => `t${i}`);
      const body = {
        contents: [],
        tools: [{ functionDeclarations: names.map((name) => ({ name })) }],
        toolConfig: { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: [...names].reverse() } },
      };
      const { call: written } = translate(call('gemini', body), 'openai', 'm');
      expect((JSON.parse(written.body.toString()) as { tools: readonly object[] }).tools).toHaveLength(
        40_000,
      );
    },
    LIVENESS_MS,
  );

  it.each([
    ['gemini', { contents: many(100_001, () => 'a') }, 'contents'],
    ['gemini', { contents: [{ parts: many(100_001, () => ({})) }] }, 'contents[0].parts'],
    ['openai-responses', { input: many(100_001, () => 'a') }, 'input'],
    ['openai', { messages: [{ role: 'user', content: many(100_001, () => ({})) }] }, 'messages[0].content'],
    [
      'anthropic',
      { messages: [{ role: 'user', content: many(100_001, () => ({})) }] },
      'messages[0].content',
    ],
  ] as const)('of %s’s has no more items in a list than any vendor takes', (dialect, body, at) => {
    const to = dialect === 'openai' ? 'anthropic' : dialect === 'anthropic' ? 'openai' : 'anthropic';
    const asked = (): unknown => translate(call(dialect, body), to, 'm');
    expect(asked).toThrow(CallError);
    expect(asked).toThrow(`${at}: has more than 100000 items`);
  });

  it.each(['anthropic', 'openai', 'bedrock-converse'] as const)(
    'passes with as many parts as may be to %s',
    (to) => {
      const contents = [
        { parts: many(100_000, () => ({ text: 'a' })) },
        { parts: many(100_000, () => ({ text: 'a' })) },
      ];
      expect(translate(call('gemini', { contents }), to, 'm').call.body.length).toBeGreaterThan(400_000);
    },
    LIVENESS_MS,
  );

  it('is refused with a name that is not longer than it must be', () => {
    const name = 'x'.repeat(100_000);
    const asked = (): unknown => translate(call('openai', { messages: [], [name]: 1 }), 'anthropic', 'm');
    expect(asked).toThrow(/^x{500} … x+: has no equivalent at the account that serves this model$/);
    try {
      asked();
    } catch (error) {
      expect((error as Error).message.length).toBeLessThan(1_010);
    }
  });
});
