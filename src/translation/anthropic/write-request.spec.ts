import { CallError } from '../../dialects/dialect.ts';
import type { Message, NeutralRequest, Part } from '../neutral.ts';
import { anthropicUpstream } from './anthropic-upstream.ts';

/** Bodies by platform.claude.com, "Messages", "Tool use", "Extended thinking" and "Structured outputs". */
const REQUEST: NeutralRequest = {
  lane: 'generate',
  model: 'claude-sonnet-4-5',
  stream: false,
  system: [],
  messages: [],
  tools: [],
  leftovers: [],
  source: {},
};

function write(request: Partial<NeutralRequest>) {
  const { body, headers, edits } = anthropicUpstream.writeRequest({ ...REQUEST, ...request });
  return { body: body as Record<string, unknown>, headers, edits };
}

const turn = (role: Message['role'], ...parts: readonly Part[]): Message => ({ role, at: 'm', parts });
const text = (said: string): Part => ({ type: 'text', at: 't', text: said });
const given = <T>(value: T, at = 'field') => ({ value, at });
const call = (id: string): Part => ({ type: 'tool-call', at: 'c', id, name: 'f', input: '{"a":1}' });
const result = (id: string): Part => ({
  type: 'tool-result',
  at: 'r',
  id,
  name: 'f',
  content: [{ type: 'text', at: 't', text: 'ok' }],
  failed: false,
});

describe('a request to Claude', () => {
  it('names what must be named, and the version that takes sampling settings', () => {
    const { body, headers, edits } = write({
      model: 'claude-sonnet-4-20250514',
      stream: true,
      system: [{ type: 'text', at: 's', text: 'Be brief.', cache: { ttl: '1h', at: 's' } }],
      messages: [turn('user', text('Hi'))],
      temperature: given(0.5),
      topP: given(0.9),
      topK: given(4),
      stop: given(['A']),
    });
    expect(headers).toEqual({ 'anthropic-version': '2023-06-01' });
    expect(body).toEqual({
      model: 'claude-sonnet-4-20250514',
      messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi' }] }],
      system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral', ttl: '1h' } }],
      max_tokens: 32_000,
      stream: true,
      temperature: 0.5,
      top_p: 0.9,
      top_k: 4,
      stop_sequences: ['A'],
    });
    expect(edits).toEqual([]);
  });

  it('of count_tokens has neither max_tokens nor what only generation needs', () => {
    const { body } = write({ lane: 'count', messages: [turn('user', text('Hi'))], temperature: given(1) });
    expect(Object.keys(body)).toEqual(['model', 'messages']);
  });

  it('joins turns of one role, puts results first, and takes no empty text', () => {
    const { body } = write({
      messages: [
        turn('assistant', call('a b')),
        turn('user', text('And?'), text('')),
        turn('user', result('a b')),
        turn('system', text('Plan.')),
      ],
    });
    expect(body['messages']).toEqual([
      { role: 'assistant', content: [{ type: 'tool_use', id: 'a_b', name: 'f', input: { a: 1 } }] },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 'a_b', content: [{ type: 'text', text: 'ok' }] },
          { type: 'text', text: 'And?' },
          { type: 'text', text: 'Plan.' },
        ],
      },
    ]);
  });

  it('gives Claude its own thoughts back, and nobody else’s', () => {
    const own = { minted: 'anthropic', value: 'EqQB' } as const;
    const others = { minted: 'google', value: 'c2ln' } as const;
    const thought = (signature: typeof own | typeof others): Part => ({
      type: 'thinking',
      at: 'x',
      text: 'Hm.',
      signature,
    });
    const kept = write({ messages: [turn('assistant', thought(own), text('Well'))] });
    expect(kept.body['messages']).toEqual([
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: 'Hm.', signature: 'EqQB' },
          { type: 'text', text: 'Well' },
        ],
      },
    ]);
    expect(kept.edits).toEqual([]);
    const removed = write({ messages: [turn('assistant', thought(others), text('Well'))] });
    expect(removed.body['messages']).toEqual([
      { role: 'assistant', content: [{ type: 'text', text: 'Well' }] },
    ]);
    expect(removed.edits).toEqual(['signature:foreign']);
  });

  it('does not ask for thinking in a turn whose calls have lost their thoughts, and tells so', () => {
    const messages = [turn('assistant', call('c1')), turn('user', result('c1'))];
    const thinking = given({ mode: 'budget', budgetTokens: 2048, show: true } as const, 'reasoning_effort');
    const { body, edits } = write({ messages, thinking });
    expect(body).not.toHaveProperty('thinking');
    expect(edits).toEqual(['left-out:reasoning_effort']);
  });

  it.each([
    ['claude-sonnet-4-5', { effort: 'low' }, { thinking: { type: 'enabled', budget_tokens: 1024 } }],
    [
      'claude-opus-5',
      { effort: 'high' },
      { thinking: { type: 'adaptive' }, output_config: { effort: 'high' } },
    ],
    ['claude-opus-5', { effort: 'none' }, {}],
  ] as const)('asks %s for %j in its own words', (model, effort, fields) => {
    const thinking = given({ mode: 'effort', show: true, ...effort } as const);
    const { body } = write({ model, thinking, messages: [turn('user', text('Hi'))] });
    const { thinking: written, output_config } = body;
    expect(JSON.parse(JSON.stringify({ thinking: written, output_config }))).toEqual(fields);
  });

  it('offers the tools that may be chosen, and chooses among them', () => {
    const tools = ['f', 'g'].map((name) => ({
      at: name,
      name,
      description: 'D',
      schema: { properties: {} },
    }));
    const one = write({
      tools,
      toolChoice: given({ mode: 'one', name: 'g' } as const),
      parallelTools: given(false),
    });
    expect(one.body).toMatchObject({
      tools: [
        { name: 'f', description: 'D', input_schema: { type: 'object', properties: {} } },
        { name: 'g' },
      ],
      tool_choice: { type: 'tool', name: 'g', disable_parallel_tool_use: true },
    });
    const some = write({ tools, toolChoice: given({ mode: 'any', only: ['g'] } as const) });
    expect(some.body).toMatchObject({ tools: [{ name: 'g' }], tool_choice: { type: 'any' } });
  });

  it('asks for an answer by a schema', () => {
    const { body } = write({ output: given({ name: 'x', schema: { type: 'object' } }) });
    expect(body['output_config']).toEqual({ format: { type: 'json_schema', schema: { type: 'object' } } });
  });

  it('passes documents as text where they are text', () => {
    const data = Buffer.from('naïve').toString('base64');
    const document: Part = {
      type: 'document',
      at: 'd',
      name: 'N',
      media: { from: 'base64', mediaType: 'text/markdown', data },
    };
    const { body } = write({ messages: [turn('user', document)] });
    expect(body['messages']).toEqual([
      {
        role: 'user',
        content: [
          { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'naïve' }, title: 'N' },
        ],
      },
    ]);
  });

  it.each([
    [{ seed: given(7, 'seed') }, 'seed'],
    [{ presencePenalty: given(0.1, 'presence_penalty') }, 'presence_penalty'],
    [{ output: given({}, 'response_format') }, 'response_format'],
    [
      {
        messages: [
          turn('user', {
            type: 'audio',
            at: 'messages[0].content[0]',
            media: { from: 'url', url: 'https://a.example' },
          }),
        ],
      },
      'messages[0].content[0]',
    ],
  ] as [Partial<NeutralRequest>, string][])(
    'refuses what Claude cannot be asked by the client’s name',
    (request, at) => {
      expect(() => write(request)).toThrow(CallError);
      expect(() => write(request)).toThrow(at);
    },
  );

  it('takes settings that ask for nothing', () => {
    expect(write({ presencePenalty: given(0), frequencyPenalty: given(0) }).edits).toEqual([]);
  });
});
