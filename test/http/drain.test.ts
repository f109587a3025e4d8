import { once } from 'node:events';
import { connect } from 'node:net';
import { eventually } from '../support/eventually.ts';
import { answersIn, openSocket, readAll } from '../support/raw-http.ts';
import { Rehearsal } from '../support/relay.ts';

const MODEL = 'claude-opus-4-8';

interface Streamed {
  readonly status: number;
  readonly text: string;
  readonly broken: boolean;
}

/** A stream is open once its head is here; `done` is all that came after. */
async function open(url: string, key: string, directive: string): Promise<{ done: Promise<Streamed> }> {
  const response = await fetch(`${url}/v1/messages`, {
    method: 'POST',
    headers: { 'x-api-key': key, 'anthropic-version': '2023-06-01' },
    body: JSON.stringify({
      model: MODEL,
      max_tokens: 1000,
      stream: true,
      messages: [{ role: 'user', content: `[[sim: ${directive}]]` }],
    }),
  });
  const done = response.text().then(
    (text) => ({ status: response.status, text, broken: false }),
    () => ({ status: response.status, text: '', broken: true }),
  );
  return { done };
}

describe('a relay that is told to leave', () => {
  let rehearsal: Rehearsal;
  let key: string;

  beforeEach(async () => {
    rehearsal = await Rehearsal.start({ RELAY_DRAIN_SECONDS: '1' });
    await rehearsal.claudeAccount();
    key = (await rehearsal.key()).key;
  });
  afterEach(() => rehearsal.close());

  it('tells a stream that outlives the drain limit so, in its own dialect, and books what it saw', async () => {
    const { done } = await open(rehearsal.url, key, 'deltas=3 hang=6');
    await rehearsal.replica(0).close();
    const { text, broken } = await done;
    expect(broken).toBe(false);
    expect(text).toMatch(
      /event: error\ndata: \{"type":"error","error":\{"type":"\w+","message":"[^"]+"\}[^\n]*\}\n\n$/,
    );
    const [row] = await rehearsal.ledger(1);
    expect(row).toMatchObject({ outcome: 'partial', reason: 'draining', estimated: true });
    expect(Number(row?.['input_tokens'])).toBeGreaterThan(0);
    await rehearsal.quiet();
  });

  it('takes no connection any more, and has no epoch open when it is gone', async () => {
    const { url } = rehearsal;
    await rehearsal.replica(0).close();
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNREFUSED');
    expect(await rehearsal.sql('select 1 from replicas where closed_at is null and dead_at is null')).toEqual(
      [],
    );
  });
});

describe('a relay behind a balancer', () => {
  it('says that it is not ready before it stops taking connections', async () => {
    const rehearsal = await Rehearsal.start({ RELAY_DRAIN_ACCEPT_SECONDS: '1' });
    try {
      expect((await fetch(`${rehearsal.url}/health/ready`)).status).toBe(200);
      const closing = rehearsal.replica(0).close();
      const late = await fetch(`${rehearsal.url}/health/ready`);
      expect([late.status, late.headers.get('connection')]).toEqual([503, 'close']);
      await late.arrayBuffer();
      expect((await fetch(`${rehearsal.url}/health/live`)).status).toBe(200);
      await closing;
    } finally {
      await rehearsal.close();
    }
  });
});

describe('a relay that is told to leave while a request is not a run yet, or no more', () => {
  let rehearsal: Rehearsal;
  let key: string;

  beforeEach(async () => {
    rehearsal = await Rehearsal.start({ RELAY_DRAIN_SECONDS: '10' });
    await rehearsal.claudeAccount();
    key = (await rehearsal.key()).key;
  });
  afterEach(() => rehearsal.close());

  const call = (text: string): string =>
    JSON.stringify({ model: MODEL, max_tokens: 100_000, messages: [{ role: 'user', content: text }] });
  const head = (length: number): string =>
    `POST /v1/messages HTTP/1.1\r\nhost: relay\r\nx-api-key: ${key}\r\nanthropic-version: 2023-06-01\r\n` +
    `content-length: ${length}\r\n\r\n`;

  it('reads a body to its end and answers it', async () => {
    const socket = await openSocket(rehearsal.url);
    const read = readAll(socket);
    const body = call('Hello');
    socket.write(head(body.length) + body.slice(0, 10));
    await new Promise((resolve) => setTimeout(resolve, 100));
    const closing = rehearsal.replica(0).close();
    await new Promise((resolve) => setTimeout(resolve, 100));
    socket.write(body.slice(10));
    expect(answersIn(await read)).toMatchObject([{ status: 200 }]);
    await closing;
    expect(await rehearsal.ledger(1)).toMatchObject([{ outcome: 'completed' }]);
  });

  it('answers a list of models', async () => {
    rehearsal.simulator.plan({ path: '/v1/models', fault: { latency: 300 } });
    const listed = fetch(`${rehearsal.url}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
    await eventually(() => expect(rehearsal.simulator.requests).not.toEqual([]));
    await rehearsal.replica(0).close();
    const { data } = (await (await listed).json()) as { data: object[] };
    expect(data).not.toEqual([]);
  });

  it('hands a slow reader its last bytes, which are still here when its run is over', async () => {
    const socket = await openSocket(rehearsal.url);
    socket.pause();
    const body = call('[[sim: large=6mb]]');
    socket.write(head(body.length) + body);
    await eventually(() => expect(rehearsal.simulator.requests).not.toEqual([]));
    const closing = rehearsal.replica(0).close();
    await new Promise((resolve) => setTimeout(resolve, 300));
    const read = readAll(socket);
    socket.resume();
    const [answer] = answersIn(await read);
    await closing;
    expect(JSON.parse(answer?.body ?? '')).toMatchObject({ type: 'message' });
    expect(await rehearsal.ledger(1)).toMatchObject([{ outcome: 'completed' }]);
  });
});
