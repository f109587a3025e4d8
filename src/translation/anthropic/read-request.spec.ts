import { type Call, CallError } from '../../dialects/dialect.ts';
import { packCarried, packSignature, packToolId } from '../carried.ts';
import type { NeutralRequest } from '../neutral.ts';
import { anthropicClient } from './anthropic-client.ts';

/** Fields by `MessageCreateParams` of @anthropic-ai/sdk 1.12, and as Claude Code sends them. */
function read(body: object, headers: Record<string, string> = {}): NeutralRequest {
  const whole = { model: 'public', max_tokens: 9, messages: [], ...body };
  const call = {
    dialect: 'anthropic',
    operation: 'generate',
    lane: 'generate',
    framing: 'sse',
    model: 'public',
    headers,
    body: Buffer.from(JSON.stringify(whole)),
  } as unknown as Call;
  return anthropicClient.readRequest(call, 'upstream');
}

const user = (...content: readonly object[]) => ({ messages: [{ role: 'user', content }] });
const assistant = (...content: readonly object[]) => ({ messages: [{ role: 'assistant', content }] });
const partsOf = (body: object) => read(body).messages[0]?.parts;

const GOOGLES = { minted: 'google', value: 'c2ln' } as const;

describe('a Messages request', () => {
  it('is read with its settings, each by its own name', () => {
    const request = read({
      temperature: 0.5,
      top_p: 0.9,
      top_k: 4,
      stop_sequences: ['A', 'B'],
      thinking: { type: 'enabled', budget_tokens: 2048 },
      output_config: { format: { type: 'json_schema', schema: { type: 'object' } } },
    });
    expect(request).toMatchObject({
      model: 'upstream',
      stream: true,
      maxOutputTokens: { value: 9, at: 'max_tokens' },
      temperature: { value: 0.5, at: 'temperature' },
      topP: { value: 0.9, at: 'top_p' },
      topK: { value: 4, at: 'top_k' },
      stop: { value: ['A', 'B'], at: 'stop_sequences' },
      thinking: { value: { mode: 'budget', budgetTokens: 2048, show: true }, at: 'thinking' },
      output: { value: { schema: { type: 'object' } }, at: 'output_config.format' },
      leftovers: [],
    });
  });

  it('keeps system texts, their cache marks, and what a system turn says in mid-conversation', () => {
    const request = read({
      system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral', ttl: '1h' } }],
      messages: [
        { role: 'user', content: 'Hi' },
        { role: 'system', content: 'Mode: plan' },
      ],
    });
    const cache = { ttl: '1h', at: 'system[0].cache_control' };
    expect(request.system).toEqual([{ type: 'text', at: 'system[0]', text: 'Be brief.', cache }]);
    expect(request.messages).toEqual([
      { role: 'user', at: 'messages[0]', parts: [{ type: 'text', at: 'messages[0].content', text: 'Hi' }] },
      {
        role: 'system',
        at: 'messages[1]',
        parts: [{ type: 'text', at: 'messages[1].content', text: 'Mode: plan' }],
      },
    ]);
  });

  it('knows images and documents by bytes, address and text', () => {
    const png = { type: 'base64', media_type: 'image/png', data: 'AA==' };
    const parts = partsOf(
      user(
        { type: 'image', source: png },
        { type: 'image', source: { type: 'url', url: 'https://a.example/b.png' } },
        { type: 'document', title: 'T', source: { type: 'text', media_type: 'text/plain', data: 'x' } },
      ),
    );
    expect(parts).toMatchObject([
      { type: 'image', media: { from: 'base64', mediaType: 'image/png', data: 'AA==' } },
      { type: 'image', media: { from: 'url', url: 'https://a.example/b.png' } },
      { type: 'document', name: 'T', media: { from: 'text', text: 'x' } },
    ]);
  });

  it('finds the name of a result by the call before it, and refuses a result without one', () => {
    const call = { type: 'tool_use', id: 'toolu_1', name: 'look', input: { a: 1e21 } };
    const result = { type: 'tool_result', tool_use_id: 'toolu_1', is_error: true, content: 'no' };
    const turns = [
      { role: 'assistant', content: [call] },
      { role: 'user', content: [result] },
    ];
    expect(read({ messages: turns }).messages.map(({ parts }) => parts)).toMatchObject([
      [{ type: 'tool-call', id: 'toolu_1', name: 'look', input: '{"a":1e+21}' }],
      [{ type: 'tool-result', id: 'toolu_1', name: 'look', failed: true, content: [{ text: 'no' }] }],
    ]);
    expect(() => read({ messages: turns.slice(1) })).toThrow(
      'messages[0].content[0].tool_use_id: answers no tool_use before it',
    );
  });

  it('finds tools, what is chosen among them, and that they come one at a time', () => {
    const tool = { name: 'look', description: 'Looks', input_schema: { type: 'object' }, strict: true };
    const request = read({
      tools: [tool],
      tool_choice: { type: 'tool', name: 'look', disable_parallel_tool_use: true },
    });
    expect(request.tools).toEqual([
      { at: 'tools[0]', name: 'look', description: 'Looks', schema: { type: 'object' }, strict: true },
    ]);
    expect(request.toolChoice?.value).toEqual({ mode: 'one', name: 'look' });
    expect(request.parallelTools?.value).toBe(false);
  });
});

describe('what an Anthropic client carries for another vendor', () => {
  const call = (id = 'toolu_1') => ({ type: 'tool_use', id, name: 'f', input: {} });
  const thinking = (text: string, signature: string) => ({ type: 'thinking', thinking: text, signature });

  it('stands in an empty thought: the seal of the call after it, or of the text before it', () => {
    const seal = packCarried([{ kind: 'call', signature: GOOGLES }]);
    expect(partsOf(assistant(thinking('', seal), call()))).toMatchObject([
      { type: 'tool-call', signature: GOOGLES },
    ]);
    const onText = thinking('', packSignature(GOOGLES, 'anthropic'));
    expect(partsOf(assistant({ type: 'text', text: 'Look.' }, onText))).toMatchObject([
      { type: 'text', text: 'Look.', signature: GOOGLES },
    ]);
  });

  it('stands in the id of a call as well', () => {
    const id = packToolId('call_7', [{ kind: 'thinking', text: 'Hm.', signature: GOOGLES }]);
    expect(partsOf(assistant(call(id)))).toMatchObject([
      { type: 'thinking', text: 'Hm.', signature: GOOGLES },
      { type: 'tool-call', id: 'call_7' },
    ]);
  });

  it('is told apart from Claude’s own signatures, and a thought that nobody sealed keeps its text', () => {
    expect(partsOf(assistant(thinking('Hm.', 'EqQB')))).toMatchObject([
      { type: 'thinking', text: 'Hm.', signature: { minted: 'anthropic', value: 'EqQB' } },
    ]);
    const unsealed = partsOf(assistant(thinking('Hm.', packCarried([]))));
    expect(unsealed).toEqual([{ type: 'thinking', at: 'messages[0].content[0]', text: 'Hm.' }]);
    expect(partsOf(assistant({ type: 'redacted_thinking', data: 'EmwK' }))).toMatchObject([
      { type: 'thinking', redacted: { minted: 'anthropic', value: 'EmwK' } },
    ]);
  });
});

describe('what no other vendor has', () => {
  it.each([
    [{ container: 'c' }, 'container'],
    [{ mcp_servers: [{ url: 'https://a.example' }] }, 'mcp_servers'],
    [{ of_tomorrow: 1 }, 'of_tomorrow'],
    [user({ type: 'text', text: 'x', of_tomorrow: 1 }), 'messages[0].content[0].of_tomorrow'],
    [{ tools: [{ name: 'f', input_schema: {}, of_tomorrow: 1 }] }, 'tools[0].of_tomorrow'],
    [
      user({ type: 'image', source: { type: 'url', url: 'https://a.example/a.png', of_tomorrow: 1 } }),
      'messages[0].content[0].source.of_tomorrow',
    ],
    [
      { output_config: { format: { type: 'json_schema', schema: {}, of_tomorrow: 1 } } },
      'output_config.format.of_tomorrow',
    ],
  ])('%j is left over under the name %s', (body, at) => {
    expect(read(body).leftovers).toEqual([{ at, advice: false }]);
  });

  it.each([
    [{ metadata: { user_id: 'u' } }, 'metadata'],
    [{ context_management: {} }, 'context_management'],
    [
      user({ type: 'text', text: 'x', cache_control: { type: 'ephemeral', scope: 'global' } }),
      'messages[0].content[0].cache_control.scope',
    ],
    [user({ type: 'text', text: 'x', citations: [] }), 'messages[0].content[0].citations'],
  ])('%j is advice', (body, at) => {
    expect(
      read(body)
        .leftovers.filter((one) => one.advice)
        .map((one) => one.at),
    ).toEqual([at]);
  });

  it('is advice in a header, and nothing at all where it asks for nothing', () => {
    expect(read({}, { 'anthropic-beta': 'x' }).leftovers).toEqual([{ at: 'anthropic-beta', advice: true }]);
    expect(read({ mcp_servers: [], fallbacks: [] }).leftovers).toEqual([]);
  });

  it.each([
    [{ tools: [{ type: 'web_search_20250305', name: 'web_search' }] }, 'tools[0]: is Anthropic'],
    [
      user({ type: 'container_upload', file_id: 'f' }),
      'messages[0].content[0]: is a block of type container',
    ],
    [user({ type: 'image', source: { type: 'file', file_id: 'f' } }), 'messages[0].content[0].source.type'],
    [{ messages: [{ role: 'tool', content: 'x' }] }, 'messages[0].role'],
    [{ thinking: { type: 'enabled' } }, 'thinking.budget_tokens'],
    [{ tool_choice: { type: 'tool' } }, 'tool_choice.name'],
    [{ output_config: { effort: 'enormous' } }, 'output_config.effort'],
  ])('%j is refused by name', (body, message) => {
    expect(() => read(body)).toThrow(CallError);
    expect(() => read(body)).toThrow(message);
  });
});
