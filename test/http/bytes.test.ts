import { eventually } from '../support/eventually.ts';
import { Rehearsal } from '../support/relay.ts';
import {
  CLAUDE_MODEL,
  contents,
  GEMINI_MODEL,
  lastSeen,
  message,
  MESSAGES,
  STREAM,
} from '../support/simulated-calls.ts';
import { onWire, sha256, type WireAnswer, type WireRequest } from '../support/wire-client.ts';

/** Where dialects match, bytes pass: what the client said is what is sent, what the upstream said is what comes. */

let rehearsal: Rehearsal;
let key: string;

beforeAll(async () => {
  rehearsal = await Rehearsal.start();
  await rehearsal.claudeAccount({
    models: { allow: ['claude-*'], map: { 'team/my-model': CLAUDE_MODEL } },
  });
  await rehearsal.geminiAccount({
    models: {
      allow: ['gemini-*'],
      map: { 'my-gemini': GEMINI_MODEL, 'my-embedding': 'gemini-embedding-001' },
    },
  });
  key = (await rehearsal.key()).key;
});
afterEach(async () => {
  await rehearsal.quiet();
  await rehearsal.recover();
  rehearsal.simulator.clear();
});
afterAll(() => rehearsal.close());

function post(path: string, body: string, more: WireRequest = {}): Promise<WireAnswer> {
  return onWire(`${rehearsal.url}${path}`, {
    body,
    ...more,
    headers: {
      'x-api-key': key,
      'content-type': 'application/json',
      ...(path.startsWith('/v1beta') ? {} : { 'anthropic-version': '2023-06-01' }),
      ...more.headers,
    },
  });
}

describe('a request body', () => {
  const said = '"messages":[{"role":"user","content":"[[sim: say=ok]]"}]';
  const asked = '"contents":[{"parts":[{"text":"[[sim: say=ok]]"}]}]';

  it.each([
    ['odd spacing', `\n{ "model" :\t"${CLAUDE_MODEL}"\r\n,"max_tokens"  :50, ${said} }  \r\n\t`],
    ['a strange order', `{${said},"stream":false,"max_tokens":50,"model":"${CLAUDE_MODEL}"}`],
    [
      'escapes where none are needed',
      `{"model":"claude\\u002dsonnet-5","max_tokens":50,"system":"\\u0041\\/\\u00e9 \\ud83d\\ude42 \\ud800 é🙂",${said}}`,
    ],
    [
      'numbers that no double holds, or that print otherwise',
      `{"model":"${CLAUDE_MODEL}","max_tokens":5e1,"tools":[{"name":"t","input_schema":{"type":"object","a":1e21,"b":1.0,"c":-0,"d":12345678901234567890,"e":0.10}}],${said}}`,
    ],
    [
      'nested names that come twice, and names with a meaning elsewhere',
      `{"model":"${CLAUDE_MODEL}","max_tokens":50,"metadata":{"user_id":"a","user_id":"b","__proto__":{"x":1},"constructor":1},${said}}`,
    ],
  ])('of Claude arrives as it was sent: %s', async (_, body) => {
    const answer = await post(MESSAGES, body);
    expect(answer.status).toBe(200);
    expect(lastSeen(rehearsal.simulator).body.toString()).toBe(body);
    expect(lastSeen(rehearsal.simulator).bodySha256).toBe(sha256(body));
    expect(lastSeen(rehearsal.simulator).headers['content-length']).toBe(String(Buffer.byteLength(body)));
    expect(answer.headers['x-relay-edits']).toBe('none');
    expect(answer.sha256).toBe(lastSeen(rehearsal.simulator).answerSha256);
  });

  it.each([
    ['odd spacing and a strange order', `\r\n{ "generationConfig" :{ }\t,\n${asked} } \n`],
    [
      'escapes and numbers',
      `{${asked},"systemInstruction":{"parts":[{"text":"\\u0041\\/ \\ud83d\\ude42"}]},"generationConfig":{"temperature":1.0,"seed":1e2}}`,
    ],
    [
      'nested names that come twice',
      `{${asked},"labels":{"a":"1","a":"2","__proto__":"x"},"generation_config":{"top_k":1}}`,
    ],
  ])('of Gemini arrives as it was sent: %s', async (_, body) => {
    const answer = await post(`/v1beta/models/${GEMINI_MODEL}:generateContent`, body);
    expect(answer.status).toBe(200);
    expect(lastSeen(rehearsal.simulator).bodySha256).toBe(sha256(body));
    expect(answer.headers['x-relay-edits']).toBe('none');
    expect(answer.sha256).toBe(lastSeen(rehearsal.simulator).answerSha256);
  });

  it('arrives whole when it came in chunks, without a length', async () => {
    const body = message('say=chunked', { system: 'é🙂'.repeat(20_000) });
    const answer = await post(MESSAGES, body, { chunked: true });
    expect(answer.status).toBe(200);
    expect(lastSeen(rehearsal.simulator).bodySha256).toBe(sha256(body));
    expect(lastSeen(rehearsal.simulator).headers['transfer-encoding']).toBeUndefined();
  });

  it.each(['"team/my-model"', '"team\\/my\\u002dmodel"', '"\\u0074eam/my-model"'])(
    'has the bytes of a mapped model name replaced and no other: %s',
    async (written) => {
      const around = (name: string): string =>
        ` {"system":"team/my-model, \\u00e9" ,"max_tokens":50, "model" : ${name} ,"stream":true,${said}}\n`;
      const answer = await post(MESSAGES, around(written));
      expect(lastSeen(rehearsal.simulator).body.toString()).toBe(around(`"${CLAUDE_MODEL}"`));
      expect(answer.headers['x-relay-edits']).toBe('model');
      expect(answer.sha256).toBe(lastSeen(rehearsal.simulator).answerSha256);
      // The answer tells the upstream's own name, which it was given.
      expect(answer.text).toContain(`"model":"${CLAUDE_MODEL}"`);
      expect(await rehearsal.lastRow()).toMatchObject({
        model: 'team/my-model',
        upstream_model: CLAUDE_MODEL,
      });
    },
  );

  it('of Gemini keeps every byte where only the path names the mapped model', async () => {
    const body = ` {${asked}}`;
    const answer = await post('/v1beta/models/my-gemini:generateContent', body);
    expect(lastSeen(rehearsal.simulator).url).toBe(`/v1beta/models/${GEMINI_MODEL}:generateContent`);
    expect(lastSeen(rehearsal.simulator).bodySha256).toBe(sha256(body));
    expect(answer.headers['x-relay-edits']).toBe('model');
    expect(answer.sha256).toBe(lastSeen(rehearsal.simulator).answerSha256);
  });

  it('of Gemini has the mapped name replaced wherever the body repeats it', async () => {
    const around = (name: string): string =>
      `{"requests": [{"model":"models/${name}", "content":{"parts":[{"text":"my-embedding"}]}},\n {"content":{"parts":[{"text":"b"}]},"model" :"models/${name}"}]}`;
    const answer = await post('/v1beta/models/my-embedding:batchEmbedContents', around('my-embedding'));
    expect(answer.status).toBe(200);
    expect(lastSeen(rehearsal.simulator).body.toString()).toBe(around('gemini-embedding-001'));
    expect(answer.headers['x-relay-edits']).toBe('model');
  });
});

const SPLITS = ['split=1', 'split=utf8', 'split=crlf', 'split=7', 'split=@1,2,3,40,41,42,200,201', ''];
const LINES = ['eol=lf', 'eol=cr', 'eol=crlf'];
const NOISE = ['', 'bom comments unknown-events=2 pings=2'];
const SAY = 'say="naïve 🙂 \\n\\"text\\" of six words" deltas=5';

describe('an answer', () => {
  /** Each row's usage by outcome, of the requests made since the ledger had `before` rows. */
  async function usages(before: number): Promise<string[]> {
    await rehearsal.quiet();
    const rows = await rehearsal.sql(
      `select outcome, estimated, suspicious, input_tokens, cache_read_tokens, output_tokens, reasoning_tokens,
              cost_nanos
         from ledger order by request_id offset ${before}`,
    );
    return [...new Set(rows.map((row) => JSON.stringify(row)))];
  }

  async function same(path: string, bodies: readonly string[]): Promise<void> {
    for (const body of bodies) {
      const answer = await post(path, body);
      const told = { status: answer.status, sha256: answer.sha256, broken: answer.broken };
      expect({ body, ...told }).toEqual({
        body,
        status: 200,
        sha256: lastSeen(rehearsal.simulator).answerSha256,
        broken: false,
      });
      expect(answer.body.length).toBe(lastSeen(rehearsal.simulator).bytesSent);
      expect(answer.headers['x-relay-edits']).toBe('none');
    }
  }

  it.each(LINES.flatMap((line) => NOISE.map((noise) => [line, noise] as const)))(
    'of Claude as SSE comes as it was sent, and is metered alike, however it is split: %s %s',
    async (line, noise) => {
      const before = await rehearsal.rowCount();
      const more = { stream: true, max_tokens: 3000, thinking: { type: 'adaptive' } };
      await same(
        MESSAGES,
        SPLITS.map((split) => message(`${SAY} ${split} ${line} ${noise}`, more)),
      );
      const [usage, ...others] = await usages(before);
      expect(others).toEqual([]);
      // The simulator thinks fifteen words, and says six.
      expect(JSON.parse(usage ?? '')).toMatchObject({
        outcome: 'completed',
        estimated: false,
        suspicious: false,
        input_tokens: '4',
        output_tokens: '21',
        reasoning_tokens: '15',
      });
    },
  );

  it('of Claude as SSE costs the same whatever its line ends and whatever stands between its events', async () => {
    const before = await rehearsal.rowCount();
    const bodies = LINES.flatMap((line) =>
      NOISE.map((noise) => message(`${SAY} ${line} ${noise}`, { stream: true })),
    );
    await same(MESSAGES, bodies);
    const [usage, ...others] = await usages(before);
    expect(others).toEqual([]);
    expect(JSON.parse(usage ?? '')).toMatchObject({
      outcome: 'completed',
      input_tokens: '4',
      output_tokens: '6',
    });
  });

  it.each(LINES.flatMap((line) => NOISE.map((noise) => [line, noise] as const)))(
    'of Gemini as SSE comes as it was sent, and is metered alike, however it is split: %s %s',
    async (line, noise) => {
      const before = await rehearsal.rowCount();
      await same(
        `${STREAM}?alt=sse`,
        SPLITS.map((split) => contents(`${SAY} ${split} ${line} ${noise}`)),
      );
      const [usage, ...others] = await usages(before);
      expect(others).toEqual([]);
      expect(JSON.parse(usage ?? '')).toMatchObject({
        outcome: 'completed',
        estimated: false,
        input_tokens: '4',
        output_tokens: '6',
      });
    },
  );

  it.each([
    ['Claude as JSON', MESSAGES, message],
    ['Gemini as JSON', `/v1beta/models/${GEMINI_MODEL}:generateContent`, contents],
    ['Gemini as a JSON array', STREAM, contents],
  ])('of %s comes as it was sent, and is metered alike, however it is split', async (_, path, body) => {
    const before = await rehearsal.rowCount();
    await same(
      path,
      SPLITS.map((split) => body(`${SAY} ${split}`)),
    );
    const [usage, ...others] = await usages(before);
    expect(others).toEqual([]);
    expect(JSON.parse(usage ?? '')).toMatchObject({
      outcome: 'completed',
      estimated: false,
      input_tokens: '4',
      output_tokens: '6',
    });
  });

  it.each([
    ['a refused message', MESSAGES, message('status=400 split=1')],
    ['an overload', MESSAGES, message('status=529 split=3', { stream: true })],
    ['a refused array', STREAM, contents('status=429 split=1')],
    ['an error event of Claude', MESSAGES, message('error=4 split=1', { stream: true })],
    ['an error event of Gemini', `${STREAM}?alt=sse`, contents('error=2 split=1')],
    ['an error element', STREAM, contents('error=2 split=utf8')],
  ])("that is the vendor's own error comes as it was sent: %s", async (_, path, body) => {
    const answer = await post(path, body);
    expect(answer.sha256).toBe(lastSeen(rehearsal.simulator).answerSha256);
    expect(answer.broken).toBe(false);
  });

  it('of several megabytes comes as it was sent', async () => {
    for (const [path, body] of [
      [MESSAGES, message('large=3mb')],
      [MESSAGES, message('large=3mb', { stream: true })],
      [MESSAGES, message('large=3mb length')],
      [STREAM, contents('large=3mb')],
    ] as const) {
      const answer = await post(path, body);
      expect(answer.body.length).toBeGreaterThan(3_000_000);
      expect(answer.sha256).toBe(lastSeen(rehearsal.simulator).answerSha256);
    }
  });

  it.each([
    ['SSE', MESSAGES, message('deltas=8 hang=HOLD', { stream: true }), /\n\n/g],
    ['SSE of Gemini', `${STREAM}?alt=sse`, contents('deltas=8 hang=HOLD'), /\r\n\r\n/g],
    ['a JSON array', STREAM, contents('deltas=8 hang=HOLD'), /"responseId"/g],
  ])(
    'as %s reaches the client event by event, while the upstream holds the rest',
    async (_, path, body, event) => {
      for (const held of [1, 2, 5]) {
        const leave = new AbortController();
        let seen = '';
        const answer = post(path, body.replace('HOLD', String(held)), {
          signal: leave.signal,
          onData: (_piece, sofar) => {
            seen = sofar.toString();
          },
        });
        await eventually(() => expect(seen.match(event) ?? []).toHaveLength(held));
        expect(lastSeen(rehearsal.simulator)).toMatchObject({ framesSent: held, ended: undefined });
        expect(Buffer.byteLength(seen)).toBe(lastSeen(rehearsal.simulator).bytesSent);
        leave.abort();
        await answer.catch(() => undefined);
        await rehearsal.quiet();
      }
    },
  );
});
