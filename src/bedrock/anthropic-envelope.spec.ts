import { readAnthropicCall } from '../dialects/anthropic-call.ts';
import type { Call } from '../dialects/dialect.ts';
import { anthropicEnvelope } from './anthropic-envelope.ts';

const ID = 'us.anthropic.claude-opus-5-5';

async function callOf(
  text: string,
  headers = {},
  operation: 'generate' | 'count' = 'generate',
): Promise<Call> {
  return readAnthropicCall({ operation, headers, query: new URLSearchParams(), body: Buffer.from(text) });
}

async function sent(call: Call, model = ID): Promise<string> {
  const { body } = await anthropicEnvelope(call, model);
  return Buffer.isBuffer(body) ? body.toString() : Buffer.concat(body).toString();
}

const V = '"anthropic_version":"bedrock-2023-05-31"';
const REST = '"max_tokens":5,"messages":[]';

describe("Bedrock's envelope of a Messages call", () => {
  it.each([
    ['at the beginning', `{"model":"claude-opus-5-5","stream":true,${REST}}`, `{${V},${REST}}`],
    ['at the end', `{${REST},"stream":false,"model":"claude-opus-5-5"}`, `{${V},${REST}}`],
    [
      'on both sides, with white space',
      `\n{ "stream" : true , "max_tokens":5, "messages":[{"role":"user","content":"\\u007b, \\"model\\":\\"x\\""}] , "model"\t:\t"claude-opus-5-5" }\n`,
      `{${V} , "max_tokens":5, "messages":[{"role":"user","content":"\\u007b, \\"model\\":\\"x\\""}]  }\n`,
    ],
    [
      'in the middle, beside a number that no one may write again',
      `{"temperature":1e21,"model":"claude-opus-5-5",${REST},"x":{"stream":1}}`,
      `{${V},"temperature":1e21,${REST},"x":{"stream":1}}`,
    ],
    ['by an escaped name', `{"\\u006dodel":"claude-opus-5-5",${REST}}`, `{${V},${REST}}`],
  ])('takes model and stream out %s, and not a byte beside', async (_, text, expected) => {
    const call = await callOf(text);
    expect(await sent(call)).toBe(expected);
    const { editSpans: _gone, ...unread } = call;
    expect(await sent(unread)).toBe(expected);
    expect(JSON.parse(expected)).not.toHaveProperty('model');
  });

  it('says what it did', async () => {
    const call = await callOf(`{"model":"claude-opus-5-5",${REST}}`);
    expect((await anthropicEnvelope(call, ID)).edits).toEqual(['bedrock-envelope', 'model']);
    expect((await anthropicEnvelope(call, 'claude-opus-5-5')).edits).toEqual(['bedrock-envelope']);
  });

  it.each([
    ['2026-10-21', ID, '2026-10-21'],
    ['2026-10-21', 'anthropic.claude-opus-4-7', '2026-10-21'],
    ['2026-10-21', 'us.anthropic.claude-sonnet-4-5-20250929-v1:0', 'bedrock-2023-05-31'],
    ['2023-06-01', ID, 'bedrock-2023-05-31'],
    [undefined, ID, 'bedrock-2023-05-31'],
  ])('has the version %s for %s as %s', async (asked, model, version) => {
    const call = await callOf(`{"model":"m",${REST}}`, asked && { 'anthropic-version': asked });
    expect(JSON.parse(await sent(call, model))).toMatchObject({ anthropic_version: version });
  });

  it('keeps a version that stands in the body', async () => {
    const call = await callOf(`{"anthropic_version":"2026-10-21","model":"m",${REST}}`);
    expect(await sent(call)).toBe(`{"anthropic_version":"2026-10-21",${REST}}`);
  });

  it('merges the betas of header and body, each once, and tells of those it drops or renames', async () => {
    const betas = async (header: string | undefined, body: string) => {
      const call = await callOf(`{"model":"m",${REST}${body}}`, header && { 'anthropic-beta': header });
      const { edits } = await anthropicEnvelope(call, ID);
      const { anthropic_beta } = JSON.parse(await sent(call)) as { anthropic_beta?: string[] };
      return [anthropic_beta, edits.includes('betas')];
    };
    const both = ['context-1m-2025-08-07', 'effort-2025-11-24'];
    expect(await betas('context-1m-2025-08-07, effort-2025-11-24', '')).toEqual([both, false]);
    expect(await betas('context-1m-2025-08-07', ',"anthropic_beta":["effort-2025-11-24"]')).toEqual([
      both,
      false,
    ]);
    expect(await betas('oauth-2025-04-20,context-1m-2025-08-07', '')).toEqual([[both[0]], true]);
    expect(await betas('advanced-tool-use-2025-11-20', '')).toEqual([['tool-search-tool-2025-10-19'], true]);
    expect(await betas('constructor,oauth-2025-04-20', '')).toEqual([undefined, true]);
    expect(await betas(undefined, '')).toEqual([undefined, false]);
    await expect(betas(undefined, ',"anthropic_beta":"x"')).rejects.toThrow('anthropic_beta');
  });

  it('sends no header of Anthropic, whose place is the body', async () => {
    const headers = {
      'anthropic-version': '2023-06-01',
      'anthropic-beta': 'x',
      'x-app': 'cli',
      'user-agent': 'u/1',
    };
    const call = await callOf(`{"model":"m",${REST}}`, headers);
    expect((await anthropicEnvelope(call, ID)).headers).toEqual({
      accept: 'application/json',
      'user-agent': 'u/1',
    });
  });

  it.each([
    ['{"model":"m","messages":[]}', `{${V},"max_tokens":1,"messages":[]}`],
    [
      '{"model":"m","messages":[],"thinking":{"type":"enabled","budget_tokens":2000}}',
      `{${V},"max_tokens":2001,"messages":[],"thinking":{"type":"enabled","budget_tokens":2000}}`,
    ],
    ['{"model":"m","messages":[],"max_tokens":7}', `{${V},"messages":[],"max_tokens":7}`],
  ])('puts a count into the body that InvokeModel would take: %s', async (text, expected) => {
    const call = await callOf(text, {}, 'count');
    const { input } = JSON.parse(await sent(call)) as { input: { invokeModel: { body: string } } };
    expect(Buffer.from(input.invokeModel.body, 'base64').toString()).toBe(expected);
  });
});
