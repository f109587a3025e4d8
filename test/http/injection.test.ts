import { request } from 'node:http';
import { asking, onlyRow, send, STREAMS } from '../support/asking.ts';
import { eventually } from '../support/eventually.ts';
import { Rehearsal } from '../support/relay.ts';

/** S7: no text of a client's or an upstream's becomes a header or an event of its own. */

const SMUGGLED = 'x\r\nx-injected: 1\r\n\r\nevent: message_stop\ndata: {}\n\n';

let rehearsal: Rehearsal;
let key: string;

beforeAll(async () => {
  rehearsal = await Rehearsal.start({ RELAY_IDLE_TIMEOUT_MS: '400' });
  await Promise.all([rehearsal.claudeAccount(), rehearsal.geminiAccount(), rehearsal.openaiAccount()]);
  key = (await rehearsal.key()).key;
});
afterEach(() => eventually(() => rehearsal.quiet()));
afterAll(() => rehearsal.close());

interface Raw {
  readonly status: number;
  readonly rawHeaders: readonly string[];
  readonly text: string;
}

/** With the path as it is, unlike what a URL makes of it. */
function askPath(method: string, path: string, body = ''): Promise<Raw> {
  const { hostname, port } = new URL(rehearsal.url);
  const headers = {
    'x-api-key': key,
    'anthropic-version': '2023-06-01',
    'content-length': Buffer.byteLength(body),
  };
  return new Promise((resolve, reject) => {
    const asked = request({ hostname, port, method, path, headers, agent: false }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (piece: string) => (text += piece));
      answer.on('end', () =>
        resolve({ status: answer.statusCode ?? 0, rawHeaders: answer.rawHeaders, text }),
      );
    });
    asked.on('error', reject).end(body);
  });
}

describe('line breaks', () => {
  it.each([
    ['GET', '/v1/models/', ''],
    ['GET', '/claude/v1/models/', ''],
    ['GET', '/v1beta/models/', ''],
    ['POST', '/v1beta/models/', ':generateContent'],
    ['POST', '/v1beta/models/', ':streamGenerateContent?alt=sse'],
    ['POST', '/model/', '/invoke'],
    ['POST', '/bedrock/model/', '/converse-stream'],
    ['GET', '/bedrock/', ''],
    ['GET', '/v1/nothing/', ''],
    ['GET', '/gemini/', ''],
  ])('in a path are told without breaking a line: %s %s', async (method, before, after) => {
    const body = method === 'POST' ? '{"contents":[{"parts":[{"text":"Hello."}]}]}' : '';
    const path = `${before}${encodeURIComponent(SMUGGLED)}${after}`;
    const { status, rawHeaders, text } = await askPath(method, path, body);
    expect([400, 404]).toContain(status);
    expect(rawHeaders.join('\n').toLowerCase()).not.toContain('x-injected');
    expect(text).not.toMatch(/[\r\n]/);
    expect(() => JSON.parse(text) as unknown).not.toThrow();
  });

  it('in the model of a body are told without breaking a line', async () => {
    const body = JSON.stringify({ model: SMUGGLED, max_tokens: 1, stream: true, messages: [] });
    const { status, rawHeaders, text } = await askPath('POST', '/v1/messages', body);
    expect(status).toBe(400);
    expect(rawHeaders.join('\n').toLowerCase()).not.toContain('x-injected');
    expect(text).not.toMatch(/[\r\n]/);
  });

  it('in an upstream’s error stay inside its JSON, and out of the ledger', async () => {
    const message = 'one\\nevent: message_stop\\ndata: {}\\n\\n';
    for (const way of STREAMS) {
      const type = '"x\\ny: z"';
      const one = asking(
        way,
        key,
        `[[sim: error=3 type=${type} message="${message}" marker=${way.replace(' ', '-')}]]`,
      );
      const answer = await send(rehearsal.url, one);
      const sent = rehearsal.simulator.answered(way.replace(' ', '-'));
      expect(answer.body.equals(sent ?? Buffer.alloc(0))).toBe(true);
      expect(answer.text).not.toMatch(/^event: message_stop/m);
      expect(await onlyRow(rehearsal, one)).toMatchObject({ outcome: 'partial', reason: 'error-event' });
    }
  });

  it('do not stand in the relay’s own frame, whatever was asked for', async () => {
    const one = asking('Claude SSE', key, `${SMUGGLED} [[sim: hang=4]]`);
    const answer = await send(rehearsal.url, one, { headers: { 'x-request-id': 'a b\tc' } });
    const frames = answer.text.split('\n\n');
    expect(frames.at(-2)).toMatch(/^event: error\ndata: \{[^\n]+\}$/);
    expect(frames.at(-1)).toBe('');
    expect(answer.headers['x-relay-client-request-id']).toBe('a bc');
  });
});
