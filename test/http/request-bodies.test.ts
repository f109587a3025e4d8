import type { AddressInfo, Socket } from 'node:net';
import { createServer, type Server } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { collectGarbage } from '../support/collect-garbage.ts';
import { eventually } from '../support/eventually.ts';
import { openSocket } from '../support/raw-http.ts';
import { Rehearsal } from '../support/relay.ts';

/** Request bodies are the largest thing a call holds: they go as soon as no attempt can need them. */

const MODEL = 'claude-sonnet-5';
const BODY_BYTES = 3_000_000;
const STREAMS = 8;

let rehearsal: Rehearsal;
let upstream: Server;
let open: Socket[] = [];

beforeAll(async () => {
  rehearsal = await Rehearsal.start({ RELAY_MAX_BODIES_BYTES: '40000000' });
  // Drops what it is sent, and answers with a stream that never ends.
  upstream = createServer((request, response) => {
    request.resume().on('end', () => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('event: ping\ndata: {"type":"ping"}\n\n');
    });
  });
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
});
afterEach(() => {
  for (const socket of open) socket.destroy();
  open = [];
  return rehearsal.quiet();
});
afterAll(async () => {
  await rehearsal.close();
  upstream.closeAllConnections();
  upstream.close();
});

const headOf = (key: string, length: number): string =>
  `POST /v1/messages HTTP/1.1\r\nhost: relay\r\nx-api-key: ${key}\r\nanthropic-version: 2023-06-01\r\n` +
  `content-length: ${length}\r\n\r\n`;

async function sendCall(socket: Socket, key: string, model: string): Promise<void> {
  const messages = [{ role: 'user', content: 'a'.repeat(BODY_BYTES) }];
  const body = Buffer.from(JSON.stringify({ model, max_tokens: 10, stream: true, messages }));
  socket.write(headOf(key, body.length));
  await new Promise((resolve) => socket.write(body, resolve));
}

/** A call whose first event has come. The body is another function's, so that nothing here keeps it. */
async function openStream(key: string, model: string): Promise<Socket> {
  const socket = await openSocket(rehearsal.url);
  open.push(socket);
  let seen = '';
  socket.on('data', (bytes: Buffer) => (seen += bytes.toString('latin1')));
  await sendCall(socket, key, model);
  await eventually(() => expect(seen).toContain('event: ping'));
  return socket;
}

async function bufferBytes(): Promise<number> {
  for (let round = 0; round < 3; round += 1) {
    await sleep(50);
    collectGarbage();
  }
  return process.memoryUsage().arrayBuffers;
}

it.each([
  ['passes as it is', MODEL],
  ['has another model name upstream', 'ours'],
])('an open stream keeps no request body in memory, when it %s', async (_, model) => {
  const { port } = upstream.address() as AddressInfo;
  const account = await rehearsal.claudeAccount({
    baseUrl: `http://127.0.0.1:${port}`,
    models: { allow: [MODEL], map: { ours: MODEL } },
  });
  const { key } = await rehearsal.key({ accounts: [account.id] });
  (await openStream(key, model)).destroy();

  const before = await bufferBytes();
  for (let index = 0; index < STREAMS; index += 1) await openStream(key, model);
  expect((await bufferBytes()) - before).toBeLessThan((STREAMS * BODY_BYTES) / 4);
});

it('a client that leaves while its key is looked up holds no share of the bodies', async () => {
  await rehearsal.claudeAccount();
  const { key } = await rehearsal.key();
  const other = await rehearsal.key();
  const client = new pg.Client(rehearsal.databaseUrl);
  await client.connect();
  try {
    await client.query('begin; lock table api_key_secrets in access exclusive mode');
    const sockets = await Promise.all([0, 1].map(() => openSocket(rehearsal.url)));
    for (const socket of sockets) socket.write(`${headOf(key, 25_000_000)}{`);
    await eventually(async () => {
      const [row] = await rehearsal.sql(
        `select from pg_stat_activity where wait_event_type = 'Lock' and query like '%as "bindingPolicy"%'`,
      );
      expect(row).toBeDefined();
    });
    for (const socket of sockets) socket.destroy();
    await sleep(50);
  } finally {
    await client.end();
  }
  const answer = await eventually(async () => {
    const messages = [{ role: 'user', content: 'a'.repeat(20_000_000) }];
    const response = await fetch(`${rehearsal.url}/v1/messages`, {
      method: 'POST',
      headers: { 'x-api-key': other.key, 'anthropic-version': '2023-06-01' },
      body: JSON.stringify({ model: MODEL, max_tokens: 10, messages }),
    });
    await response.text();
    expect(response.status).toBe(200);
    return response;
  }, 5_000);
  expect(answer.headers.get('x-relay-attempts')).toBe('1');
});
