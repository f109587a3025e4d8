import { withModel } from '../dialects/model-edit.ts';
import { readOpenaiCall } from '../dialects/openai-call.ts';
import { packToolId } from './carried.ts';
import { nativeOpenai } from './native-openai.ts';

const read = (text: string, route: 'chat' | 'embeddings' = 'chat') =>
  readOpenaiCall({ route, headers: {}, body: Buffer.from(text) });

const HEAD = '{ "model": "gpt-x", "messages": [], "stream": true';

describe('a stream that would not tell its usage', () => {
  it.each([
    [`${HEAD} }\n`, `${HEAD} ,"stream_options":{"include_usage":true}}\n`],
    [`${HEAD}, "stream_options": null}`, `${HEAD}, "stream_options": {"include_usage":true}}`],
    [`${HEAD}, "stream_options": { }}`, `${HEAD}, "stream_options": {"include_usage":true }}`],
    [
      `${HEAD}, "stream_options": {"include_obfuscation": 1e0}}`,
      `${HEAD}, "stream_options": {"include_usage":true,"include_obfuscation": 1e0}}`,
    ],
    [
      `${HEAD}, "stream_options": {"include_usage" : false }}`,
      `${HEAD}, "stream_options": {"include_usage" : true }}`,
    ],
    [
      `${HEAD}, "stream_options": {"include_usage": null}}`,
      `${HEAD}, "stream_options": {"include_usage": true}}`,
    ],
  ])('is asked to, and nothing else is touched: %s', async (from, to) => {
    const { call, edits, filter } = await nativeOpenai(await read(from));
    expect(call.body.toString()).toBe(to);
    expect(edits).toEqual(['usage']);
    expect(filter).toBeDefined();
    expect(Buffer.concat(withModel(call, 'other')).toString()).toBe(to.replace('gpt-x', 'other'));
  });

  it('keeps the place of a model that is named after the edit', async () => {
    const text = '{"stream_options":{},"messages":[],"stream":true,"model":"gpt-x"}';
    const { call } = await nativeOpenai(await read(text));
    expect(Buffer.concat(withModel(call, 'other')).toString()).toBe(
      '{"stream_options":{"include_usage":true},"messages":[],"stream":true,"model":"other"}',
    );
  });
});

describe('a call that needs no edit', () => {
  it.each([
    [`${HEAD}, "stream_options": {"include_usage": true}}`],
    [`${HEAD}, "stream_options": "yes"}`],
    [`${HEAD}, "stream_options": {"include_usage": "yes"}}`],
    ['{"model":"gpt-x","messages":[]}'],
    ['{"model":"gpt-x","messages":[{"role":"user","content":"rlsig1_ is a word"}]}'],
  ])('is the one that came: %s', async (text) => {
    const call = await read(text);
    expect(await nativeOpenai(call)).toEqual({ call, edits: [] });
    expect((await nativeOpenai(call)).call.body).toBe(call.body);
  });

  it('is an embedding', async () => {
    const call = await read('{"model":"m","input":"x","stream":true}', 'embeddings');
    expect(await nativeOpenai(call)).toEqual({ call, edits: [] });
  });
});

describe('a tool call that another vendor made', () => {
  const packed = packToolId('toolu_1', [
    { kind: 'thinking', text: 'hm 🙂', signature: { minted: 'anthropic', value: 'c2ln' } },
  ]);

  it('has its plain id where it is called and where it is answered, and the edit is told', async () => {
    const messages = (id: string): string =>
      `[{"role":"assistant","tool_calls":[{"id":"${id}","type":"function"},{"id":"call_2"}]},` +
      `{"role":"tool","tool_call_id" : "${id}","content":"${packed}"}]`;
    const text = (id: string): string => `{"messages":${messages(id)},"model":"gpt-x"}`;
    const { call, edits, filter } = await nativeOpenai(await read(text(packed)));
    expect(call.body.toString()).toBe(text('toolu_1'));
    expect(edits).toEqual(['signature:foreign']);
    expect(filter).toBeUndefined();
    expect(Buffer.concat(withModel(call, 'other')).toString()).toBe(
      text('toolu_1').replace('gpt-x', 'other'),
    );
  });

  it('may stand in a stream whose usage is asked for', async () => {
    const text = `{"model":"gpt-x","stream":true,"messages":[{"role":"tool","tool_call_id":"${packed}"}]}`;
    const { call, edits } = await nativeOpenai(await read(text));
    expect(edits).toEqual(['usage', 'signature:foreign']);
    expect(JSON.parse(call.body.toString())).toEqual({
      model: 'gpt-x',
      stream: true,
      messages: [{ role: 'tool', tool_call_id: 'toolu_1' }],
      stream_options: { include_usage: true },
    });
  });
});
