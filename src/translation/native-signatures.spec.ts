import type { Call, DialectName } from '../dialects/dialect.ts';
import { packCarried, packSignature, packToolId, safeToolId } from './carried.ts';
import { nativeCall } from './native.ts';

const FOREIGN = packSignature({ minted: 'google', value: 'CiEBjz1r' }, 'anthropic');
const CLAUDES = packCarried([
  { kind: 'thinking', text: 'hm', signature: { minted: 'anthropic', value: 'EqQB' } },
]);
const ID = packToolId('call_x_1', [{ kind: 'call', signature: { minted: 'google', value: 'CiEB' } }]);

const KIMIS = safeToolId('functions.f:0');

function callOf(dialect: DialectName, text: string, model = 'm-1'): Call {
  const body = Buffer.from(text);
  const named = '"model":"m-1"';
  const at = body.indexOf(named);
  const start = at + '"model":'.length;
  return {
    dialect,
    operation: 'generate',
    lane: 'generate',
    model,
    modelSpans: at < 0 ? [] : [{ start, end: start + '"m-1"'.length }],
    carries: true,
    framing: 'json',
    maxOutputTokens: undefined,
    headers: {},
    query: '',
    body,
  };
}

interface Row {
  readonly title: string;
  readonly dialect: DialectName;
  readonly model?: string;
  readonly before: string;
  readonly after: string;
}

/** Odd spacing, escapes and numbers all around: bytes beside a cut must stay as they are. */
const ROWS: readonly Row[] = [
  {
    title: 'a foreign thought goes with the comma after it',
    dialect: 'anthropic',
    before: `{ "max_tokens" : 1e2,"messages":[ {"role":"user","content":"\\u00e9 1e21"},
      {"role":"assistant","content":[ {"type":"thinking","thinking":"x","signature":"${FOREIGN}"} ,
        {"type":"text","text":"a" } ]} ] ,"model":"m-1" }`,
    after: `{ "max_tokens" : 1e2,"messages":[ {"role":"user","content":"\\u00e9 1e21"},
      {"role":"assistant","content":[ {"type":"text","text":"a" } ]} ] ,"model":"m-1" }`,
  },
  {
    title: 'a foreign thought at the end goes with the comma before it',
    dialect: 'anthropic',
    before: `{"model":"m-1","messages":[{"role":"assistant","content":[{"type":"text","text":"a"} , {"signature":"${FOREIGN}","type":"thinking","thinking":""} ]}]}`,
    after: `{"model":"m-1","messages":[{"role":"assistant","content":[{"type":"text","text":"a"} ]}]}`,
  },
  {
    title: 'several go, and what Claude sealed stays',
    dialect: 'bedrock-invoke',
    before: `{"messages":[{"role":"assistant","content":[{"type":"redacted_thinking","data":"${FOREIGN}"},{"type":"thinking","thinking":"t","signature":"${CLAUDES}"},{"type":"thinking","thinking":"own","signature":"EqQBCkYI+/="},{"type":"thinking","thinking":"","signature":"${FOREIGN}"}]}]}`,
    after: `{"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"own","signature":"EqQBCkYI+/="}]}]}`,
  },
  {
    title: 'a turn of which nothing is left goes with it',
    dialect: 'anthropic',
    before: `{"messages":[{"role":"user","content":"a"}, {"role":"assistant","content":[{"type":"thinking","thinking":"x","signature":"${FOREIGN}"}]}, {"role":"user","content":"b"}],"model":"m-1"}`,
    after: `{"messages":[{"role":"user","content":"a"}, {"role":"user","content":"b"}],"model":"m-1"}`,
  },
  {
    title: "a packed seal of the vendor's own is put back as it was",
    dialect: 'anthropic',
    before: `{"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"x","signature":"${packSignature({ minted: 'anthropic', value: 'Eq"/+' }, 'google')}"}]}]}`,
    after: `{"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"x","signature":"Eq\\"/+"}]}]}`,
  },
  {
    title: 'ids become plain, of a call and of its result',
    dialect: 'anthropic',
    before: `{"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"${ID}","name":"f","input":{"id":"${ID}"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"${ID}","content":"${ID}"}]}],"model":"m-1"}`,
    after: `{"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"call_x_1","name":"f","input":{"id":"${ID}"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"call_x_1","content":"${ID}"}]}],"model":"m-1"}`,
  },
  {
    title: 'Converse has its own places for both',
    dialect: 'bedrock-converse',
    before: `{"messages":[{"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"x","signature":"${FOREIGN}"}}},{"reasoningContent":{"redactedContent":"${CLAUDES}"}},{"reasoningContent":{"reasoningText":{"text":"own","signature":"EqQB"}}},{"toolUse":{"toolUseId":"${ID}","name":"f","input":{}}}]},{"role":"user","content":[{"toolResult":{"toolUseId":"${ID}","content":[]}}]}]}`,
    after: `{"messages":[{"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"own","signature":"EqQB"}}},{"toolUse":{"toolUseId":"call_x_1","name":"f","input":{}}}]},{"role":"user","content":[{"toolResult":{"toolUseId":"call_x_1","content":[]}}]}]}`,
  },
  {
    title: "a call of Claude's gets Google's stand-in where Gemini 3 would miss a signature",
    dialect: 'gemini',
    model: 'gemini-3-flash-preview',
    before: `{"contents":[{"role":"model","parts":[{"functionCall":{"name":"f","args":{}}, "thoughtSignature" : "${CLAUDES}"}]}]}`,
    after: `{"contents":[{"role":"model","parts":[{"functionCall":{"name":"f","args":{}}, "thoughtSignature" : "skip_thought_signature_validator"}]}]}`,
  },
  {
    title: 'before Gemini 3 the seal alone is taken from a call',
    dialect: 'gemini',
    model: 'gemini-2.5-pro',
    before: `{"contents":[{"role":"model","parts":[{"thought_signature":"${CLAUDES}" ,"functionCall":{"name":"f","args":{}}},{"functionCall":{"name":"g"},"thoughtSignature":"CiEBown"}]}]}`,
    after: `{"contents":[{"role":"model","parts":[{"functionCall":{"name":"f","args":{}}},{"functionCall":{"name":"g"},"thoughtSignature":"CiEBown"}]}]}`,
  },
  {
    title: 'an id of another server’s is made one that Claude takes, in the call and in its result',
    dialect: 'anthropic',
    before: `{"model":"m-1","messages":[{"role":"assistant","content":[{"type":"tool_use","id":"${KIMIS}","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"${KIMIS}"}]}]}`,
    after: `{"model":"m-1","messages":[{"role":"assistant","content":[{"type":"tool_use","id":"functions_f_0","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"functions_f_0"}]}]}`,
  },
  {
    title: 'thoughts and texts of no length go, a text loses its seal, in a count as well',
    dialect: 'gemini',
    before: `{"generateContentRequest":{"contents":[{"role":"user","parts":{"text":"q"}},{"parts":[{"text":"t","thought":true,"thoughtSignature":"${CLAUDES}"},{"text":"a","thoughtSignature":"${CLAUDES}"},{"text":"","thoughtSignature":"${CLAUDES}"}]},{"parts":[{"text":"","thoughtSignature":"${CLAUDES}"}]},{"parts":[{"thoughtSignature":"${CLAUDES}"}]}],"model":"m-1"}}`,
    after: `{"generateContentRequest":{"contents":[{"role":"user","parts":{"text":"q"}},{"parts":[{"text":"a"}]}],"model":"m-1"}}`,
  },
];

describe('A conversation that another vendor took part in', () => {
  it.each(ROWS)('$title', async ({ dialect, model, before, after }) => {
    const call = callOf(dialect, before, model);
    const native = await nativeCall(call);
    expect(native.call.body.toString('utf8')).toBe(after);
    expect(native.edits).toEqual(['signature:foreign']);
    expect(native.call.modelSpans.map(({ start, end }) => after.slice(start, end))).toEqual(
      call.modelSpans.map(() => '"m-1"'),
    );
    expect(call.body.toString('utf8')).toBe(before);
  });

  it.each([
    ['that nobody packed', `{"messages":[{"role":"assistant","content":[{"signature":"EqQB"}]}]}`],
    ['that only speaks of what is packed', `{"messages":[{"role":"user","content":"${FOREIGN}"}]}`],
    ['with a strange shape', `{"messages":{"content":["${FOREIGN}",{"signature":7}]},"x":"${FOREIGN}"}`],
  ])('keeps the very bytes of one %s', async (_, text) => {
    const call = callOf('anthropic', text);
    const native = await nativeCall(call);
    expect(native.call).toBe(call);
    expect(native.edits).toEqual([]);
  });

  it('is cut right however large it is, and wherever the reader slices it', async () => {
    const thought = `{"type":"thinking","thinking":"${'思'.repeat(5000)}","signature":"${FOREIGN}"}`;
    const texts = Array.from({ length: 60 }, (_, i) => `{"type":"text","text":"${'x'.repeat(i * 997)}"}`);
    const mixed = texts.map((text) => `{"role":"assistant","content":[${thought},${text},${thought}]}`);
    const plain = texts.map((text) => `{"role":"assistant","content":[${text}]}`);
    const { call } = await nativeCall(callOf('anthropic', `{"messages":[${mixed.join(',')}]}`));
    expect(call.body.equals(Buffer.from(`{"messages":[${plain.join(',')}]}`))).toBe(true);
  });
});
