import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
} from 'node:http2';
import { asking, onlyRow, type Asking } from '../support/asking.ts';
import { eventually } from '../support/eventually.ts';
import { Rehearsal } from '../support/relay.ts';

/** HTTP/2 with prior knowledge on the relay's port: every door is behind it as it is behind HTTP/1.1. */

const MIB = 1024 * 1024;

let rehearsal: Rehearsal;
let key: string;
const sessions: ClientHttp2Session[] = [];

beforeEach(async () => {
  rehearsal = await Rehearsal.start({ RELAY_DRAIN_SECONDS: '30' });
  await Promise.all([rehearsal.claudeAccount(), rehearsal.geminiAccount()]);
  key = (await rehearsal.key()).key;
});
afterEach(async () => {
  for (const session of sessions.splice(0)) session.destroy();
  await rehearsal.quiet();
  await rehearsal.close();
});

function open(url = rehearsal.url): ClientHttp2Session {
  const session = connect(url, { maxSessionMemory: 100 });
  session.on('error', () => undefined);
  sessions.push(session);
  return session;
}

function post(session: ClientHttp2Session, { path, headers, body }: Asking): ClientHttp2Stream {
  const stream = session.request({ ':method': 'POST', ':path': path, ...headers });
  stream.on('error', () => undefined);
  stream.end(body);
  return stream;
}

interface Told {
  readonly headers: IncomingHttpHeaders | undefined;
  readonly text: string;
  readonly reset: number;
}

function read(stream: ClientHttp2Stream): Promise<Told> {
  let text = '';
  let headers: IncomingHttpHeaders | undefined;
  stream.on('response', (told) => (headers = told));
  stream.setEncoding('utf8').on('data', (piece: string) => (text += piece));
  return new Promise((resolve) =>
    stream.on('close', () => resolve({ headers, text, reset: stream.rstCode })),
  );
}

it('serves calls of every dialect, JSON and streams, many at once on one connection', async () => {
  const session = open();
  const ways = ['Claude SSE', 'Claude JSON', 'Gemini SSE', 'Gemini array', 'Gemini JSON'] as const;
  const asked = Array.from({ length: 40 }, (_, at) => {
    const marker = randomUUID();
    return {
      marker,
      one: asking(ways[at % ways.length]!, key, `Hi [[sim: deltas=5 every=2 marker=${marker}]]`),
    };
  });
  const told = await Promise.all(asked.map(({ one }) => read(post(session, one))));
  for (const [at, { marker, one }] of asked.entries()) {
    expect(told[at]).toMatchObject({ headers: { ':status': 200, 'x-relay-attempts': '1' }, reset: 0 });
    expect(told[at]?.text).toBe(rehearsal.simulator.answered(marker)?.toString());
    expect(await onlyRow(rehearsal, one)).toMatchObject({ outcome: 'completed' });
  }
});

it('sees every credential that came: a second, different key is refused', async () => {
  const session = open();
  const stream = session.request({
    ':method': 'GET',
    ':path': '/me',
    authorization: `Bearer ${key}`,
    'x-api-key': 'rk_another',
  });
  expect((await read(stream)).headers).toMatchObject({ ':status': 401 });
  const twice = session.request({ ':path': '/me', 'x-api-key': [key, 'rk_another'] });
  expect((await read(twice)).headers).toMatchObject({ ':status': 401 });
  const sound = session.request({ ':path': '/me', 'x-api-key': key });
  expect((await read(sound)).headers).toMatchObject({ ':status': 200 });
});

it('pauses the upstream while its client does not read, and gives it the very same bytes', async () => {
  const marker = randomUUID();
  const stream = post(open(), asking('Claude SSE', key, `[[sim: large=40mb split=32768 marker=${marker}]]`));
  await once(stream, 'response');
  const sent = (): number => rehearsal.simulator.find(marker)?.bytesSent ?? 0;
  let last = -1;
  for (let still = 0; still < 5;) {
    still = sent() === last && last > 0 ? still + 1 : 0;
    last = sent();
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
  // The kernel's buffers between relay and simulator, and no more.
  expect(last).toBeLessThan(24 * MIB);
  const hash = createHash('sha256');
  for await (const piece of stream) hash.update(piece as Buffer);
  const whole = rehearsal.simulator.find(marker)?.answerSha256;
  expect(hash.digest('hex')).toBe(whole);
});

it.each(['the stream', 'the connection'])('cancels the upstream once its client leaves %s', async (what) => {
  const session = open();
  const one = asking('Claude SSE', key, '[[sim: deltas=400 every=20]]');
  const stream = post(session, one);
  await once(stream, 'data');
  if (what === 'the stream') stream.close(constants.NGHTTP2_CANCEL);
  else session.destroy();
  await eventually(() =>
    expect(rehearsal.simulator.requests.at(-1)).toMatchObject({ ended: 'client-closed' }),
  );
  expect(await onlyRow(rehearsal, one)).toMatchObject({ outcome: 'client-left' });
});

it('takes bodies up to the limit and refuses longer ones, and the connection goes on', async () => {
  const session = open();
  const whole = asking('Claude JSON', key, `${'x'.repeat(20 * MIB)} [[sim: say=taken]]`);
  expect((await read(post(session, whole))).text).toContain('taken');
  const long = asking('Claude JSON', key, 'x'.repeat(40 * MIB));
  expect((await read(post(session, long))).headers).toMatchObject({ ':status': 413 });
  const short = asking('Claude JSON', key, '[[sim: say=again]]');
  expect((await read(post(session, short))).text).toContain('again');
});

it('lets open streams end when the relay leaves', async () => {
  const session = open();
  const going = once(session, 'goaway');
  const one = asking('Claude SSE', key, '[[sim: deltas=8 every=60]]');
  const stream = post(session, one);
  const told = read(stream);
  await once(stream, 'data');
  const closing = rehearsal.replica(0).close();
  await going;
  expect(await told).toMatchObject({
    text: expect.stringContaining('event: message_stop') as string,
    reset: 0,
  });
  await closing;
  expect(session.closed).toBe(true);
  expect(await onlyRow(rehearsal, one)).toMatchObject({ outcome: 'completed' });
});

it('tells a stream that outlives the drain limit so, in its own dialect', async () => {
  const relay = await rehearsal.addReplica({ RELAY_DRAIN_SECONDS: '1' });
  const one = asking('Claude SSE', key, '[[sim: deltas=4000 every=50]]');
  const stream = post(open(relay.url), one);
  const told = read(stream);
  await once(stream, 'data');
  const closing = relay.close();
  const { text, reset } = await told;
  expect([text.slice(text.lastIndexOf('event: ')), reset]).toEqual([
    expect.stringMatching(/^event: error\ndata: .*shutting down.*\n\n$/),
    0,
  ]);
  await closing;
  expect(await onlyRow(rehearsal, one)).toMatchObject({ outcome: 'partial', reason: 'draining' });
});
