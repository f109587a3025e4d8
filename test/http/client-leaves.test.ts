import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import { connect as connectH2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import pg from 'pg';
import { type Asking, asking, onlyRow, send, STREAMS, WAYS } from '../support/asking.ts';
import {
  ask,
  depart,
  departures,
  leave,
  randomFrom,
  seedOfRun,
  textReceived,
} from '../support/departures.ts';
import { eventually } from '../support/eventually.ts';
import { Rehearsal } from '../support/relay.ts';

/** Clients that go away, at every moment of a call: the upstream is cut, the place is free, what was seen is booked. */

interface Made {
  readonly id: string;
  readonly key: string;
}

let rehearsal: Rehearsal;
let claude: { id: string };
let gemini: { id: string };
let key: Made;

beforeAll(async () => {
  rehearsal = await Rehearsal.start({
    RELAY_WRITE_STALL_TIMEOUT_MS: '600',
    RELAY_MAX_BODY_BYTES: '1048576',
    RELAY_MAX_BODIES_BYTES: '2097152',
  });
  claude = await rehearsal.claudeAccount();
  gemini = await rehearsal.geminiAccount();
  const openai = await rehearsal.openaiAccount();
  key = await rehearsal.key({ accounts: [claude.id, gemini.id, openai.id] });
});
afterEach(async () => {
  await eventually(() => rehearsal.quiet());
  expect(rehearsal.simulator.inFlight()).toBe(0);
  expect(rehearsal.simulator.usedAfterCut).toBe(0);
});
afterAll(() => rehearsal.close());

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** What the simulator saw of the call with this marker, once it saw it. */
const seenBy = (marker: string) =>
  eventually(() => {
    const found = rehearsal.simulator.find(marker);
    if (found === undefined) throw new Error('The simulator has not seen it');
    return found;
  });

const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.once('close', () => resolve()).on('error', () => undefined);
  });

describe('C1: a client that leaves before the head', () => {
  it.each(WAYS)('has its upstream cut and its place free: %s', async (way) => {
    for (const how of ['FIN', 'RST'] as const) {
      const marker = randomUUID();
      const one = asking(way, key.key, `Hello. [[sim: hang=head marker=${marker}]]`);
      const socket = ask(rehearsal.url, one);
      const seen = await seenBy(marker);
      expect(seen.ended).toBeUndefined();
      leave(socket, how);
      const left = Date.now();
      await eventually(() => expect(seen.ended).toBe('client-closed'));
      expect(Date.now() - left).toBeLessThan(1_000);
      const row = await onlyRow(rehearsal, one);
      expect(row).toMatchObject({
        outcome: 'client-left',
        reason: 'client-left',
        status: null,
        input_tokens: '0',
        cost_nanos: '0',
      });
      expect(Date.now() - left).toBeLessThan(2_500);
    }
  });

  it('is let go of also where its request was pipelined behind another', async () => {
    const markers = [randomUUID(), randomUUID(), randomUUID()];
    const all = markers.map((marker) =>
      asking('Claude JSON', key.key, `[[sim: hang=head marker=${marker}]]`),
    );
    const socket = connect(Number(new URL(rehearsal.url).port), '127.0.0.1');
    for (const { path, headers, body } of all) {
      const lines = Object.entries({ host: 'relay', 'content-length': Buffer.byteLength(body), ...headers });
      socket.write(`POST ${path} HTTP/1.1\r\n${lines.map(([n, v]) => `${n}: ${v}\r\n`).join('')}\r\n${body}`);
    }
    for (const marker of markers) await seenBy(marker);
    socket.destroy();
    for (const one of all) {
      expect(await onlyRow(rehearsal, one)).toMatchObject({ outcome: 'client-left', status: null });
    }
  });

  it('frees its share of counting, too', async () => {
    const marker = randomUUID();
    const generate = asking('Claude JSON', key.key, `[[sim: hang=head marker=${marker}]]`);
    const body = generate.body.replace('"max_tokens":4096,"stream":false,', '');
    const one = { ...generate, path: '/v1/messages/count_tokens', body };
    const socket = ask(rehearsal.url, one);
    await seenBy(marker);
    socket.destroy();
    expect(await onlyRow(rehearsal, one)).toMatchObject({ outcome: 'client-left', lane: 'count' });
  });
});

describe('C2: a client that leaves in mid-stream', () => {
  it('leaves one row at whatever offset, with what was seen and what it cost', async () => {
    const seed = seedOfRun();
    const random = randomFrom(seed);
    const all = await depart(rehearsal, departures(150, random, key.key), 15);
    const since = Date.now();
    const ids = all.map((one) => one.asking.clientRequestId);
    const rows = await eventually(async () => {
      const found = await rehearsal.sql('select * from ledger where client_request_id = any($1)', [ids]);
      expect({ seed, rows: found.length }).toEqual({ seed, rows: ids.length });
      return found;
    });
    await eventually(() => expect(rehearsal.simulator.inFlight()).toBe(0));
    expect(Date.now() - since).toBeLessThan(10_000);
    const byId = new Map(rows.map((row) => [row['client_request_id'], row]));
    expect(byId.size).toBe(ids.length);

    const outcomes: Record<string, number> = {};
    for (const one of all) {
      const row = byId.get(one.asking.clientRequestId);
      const outcome = String(row?.['outcome']);
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
      const text = textReceived(one);
      const told = { seed, way: one.way, afterBytes: one.afterBytes, text: text.length };
      const cost = Number(row?.['cost_nanos']);
      const output = Number(row?.['output_tokens']);
      expect({ ...told, outcome }).toEqual({
        ...told,
        outcome: expect.stringMatching(/^(client-left|completed)$/) as string,
      });
      if (outcome === 'completed') {
        expect({ ...told, estimated: row?.['estimated'] }).toEqual({ ...told, estimated: false });
        expect(cost).toBeGreaterThan(0);
      } else if (text !== '') {
        expect({ ...told, estimated: row?.['estimated'], costs: cost > 0 }).toEqual({
          ...told,
          estimated: true,
          costs: true,
        });
        expect(Number(row?.['input_tokens'])).toBeGreaterThan(0);
        expect(output).toBeGreaterThanOrEqual(Math.ceil(Buffer.byteLength(text) / 4));
      }
    }
    expect(outcomes['client-left']).toBeGreaterThan(75);
    expect(outcomes['completed']).toBeGreaterThan(0);
  });

  it.each([
    ['Claude SSE', 'what passed', 'hang=15', 12, 15],
    ['Claude SSE', 'what was reported', 'hang=17 output-tokens=100', 12, 100],
    ['Gemini SSE', 'what passed', 'hang=11', 11, 14],
    ['Gemini SSE', 'what was reported', 'hang=11 output-tokens=100 usage=falling', 11, 209],
    ['Gemini array', 'what passed', 'hang=11', 11, 14],
    ['Gemini array', 'what was reported', 'hang=11 output-tokens=100 usage=falling', 11, 209],
  ] as const)('is booked with the larger of the two counts: %s, %s', async (way, _, fault, words, tokens) => {
    const one = asking(way, key.key, `[[sim: say="${'abcd '.repeat(12)}" deltas=12 ${fault}]]`);
    const socket = ask(rehearsal.url, one);
    let received = '';
    await new Promise<void>((resolve) => {
      socket.on('data', (piece: Buffer) => {
        received += piece.toString();
        const told = fault.startsWith('hang=17') ? received.includes('message_delta') : true;
        if (told && received.split('abcd').length - 1 === words) resolve();
      });
    });
    leave(socket, 'FIN');
    expect(await onlyRow(rehearsal, one)).toMatchObject({
      outcome: 'client-left',
      status: 200,
      estimated: true,
      output_tokens: String(tokens),
    });
  });

  it('has been served when only the connection’s end was missing', async () => {
    const marker = randomUUID();
    const one = asking('Claude SSE', key.key, `[[sim: say="done" hang=tail marker=${marker}]]`);
    const socket = ask(rehearsal.url, one);
    let received = '';
    await new Promise<void>((resolve) => {
      socket.on('data', (piece: Buffer) => {
        received += piece.toString();
        if (/message_stop"\}\n\n/.test(received)) resolve();
      });
    });
    leave(socket, 'FIN');
    expect(await onlyRow(rehearsal, one)).toMatchObject({
      outcome: 'completed',
      reason: null,
      estimated: false,
    });
  });

  it('among hundreds that leave at once has its upstream cut and its row, and who stays is served', async () => {
    const crowd = Array.from({ length: 200 }, () =>
      asking(
        'Claude SSE',
        key.key,
        `[[sim: say="${'abcd '.repeat(12)}" deltas=12 hang=8 marker=${randomUUID()}]]`,
      ),
    );
    const since = rehearsal.simulator.requests.length;
    const sockets = crowd.map((one) => ask(rehearsal.url, one));
    await Promise.all(
      sockets.map((socket) => new Promise((resolve) => socket.once('data', resolve).resume())),
    );
    const staying = send(rehearsal.url, asking('Claude SSE', key.key, '[[sim: deltas=50 every=10]]'));
    const seen = rehearsal.simulator.requests.slice(since, since + crowd.length);
    expect(new Set(seen.map(({ ended }) => ended))).toEqual(new Set([undefined]));
    const left = Date.now();
    for (const [at, socket] of sockets.entries()) leave(socket, at % 2 === 0 ? 'FIN' : 'RST');
    await eventually(() =>
      expect(seen.filter(({ ended }) => ended === 'client-closed')).toHaveLength(crowd.length),
    );
    expect(Date.now() - left).toBeLessThan(10_000);
    expect((await staying).status).toBe(200);
    await eventually(async () => {
      const rows = await rehearsal.sql(
        `select from ledger where client_request_id = any($1) and outcome = 'client-left' and status = 200`,
        [crowd.map(({ clientRequestId }) => clientRequestId)],
      );
      expect(rows).toHaveLength(crowd.length);
    });
  });

  it('at the very moment of the head leaves one row, and nothing in flight', async () => {
    await Promise.all(
      Array.from({ length: 20 }, async (_, at) => {
        const one = asking(
          STREAMS[at % STREAMS.length] ?? 'Claude SSE',
          key.key,
          '[[sim: deltas=50 every=5]]',
        );
        const asked = request(rehearsal.url + one.path, { method: 'POST', headers: one.headers });
        asked.on('error', () => undefined);
        asked.on('response', () => asked.destroy());
        asked.end(one.body);
        expect(await onlyRow(rehearsal, one)).toMatchObject({ outcome: 'client-left' });
      }),
    );
  });
});

describe('a client that leaves while nothing has been sent upstream', () => {
  it('in the middle of its body takes nothing with it', async () => {
    const seen = rehearsal.simulator.requests.length;
    const one = asking('Claude SSE', key.key, 'x'.repeat(900_000));
    for (let times = 0; times < 6; times += 1) {
      const body = one.body.slice(0, 500_000);
      const socket = ask(rehearsal.url, {
        ...one,
        body,
        headers: { ...one.headers, 'content-length': '900100' },
      });
      await pause(20);
      leave(socket, times % 2 === 0 ? 'FIN' : 'RST');
    }
    // Two bodies of this size fit into the memory for bodies: it was given back each time.
    const whole = asking('Claude SSE', key.key, 'y'.repeat(900_000));
    await eventually(async () => expect((await send(rehearsal.url, whole)).status).toBe(200));
    expect(rehearsal.simulator.requests.length - seen).toBe(1);
    const rows = await rehearsal.sql('select from ledger where client_request_id = $1', [
      one.clientRequestId,
    ]);
    expect(rows).toEqual([]);
  });

  it('while admission waits is admitted for nothing: no upstream call, and the place comes back', async () => {
    const one = asking('Claude SSE', key.key, 'Hello.');
    const seen = rehearsal.simulator.requests.length;
    const holder = new pg.Client(rehearsal.databaseUrl);
    await holder.connect();
    try {
      await holder.query('begin');
      await holder.query('select from key_state where id = $1 for update', [key.id]);
      const socket = ask(rehearsal.url, one);
      await pause(150);
      leave(socket, 'FIN');
      await pause(50);
      await holder.query('rollback');
      expect(await onlyRow(rehearsal, one)).toMatchObject({
        outcome: 'client-left',
        status: null,
        cost_nanos: '0',
      });
    } finally {
      await holder.end();
    }
    expect(rehearsal.simulator.requests).toHaveLength(seen);
  });

  it('while a credential is being renewed gives its place back at once', async () => {
    const { accessToken, refreshToken } = rehearsal.simulator.oauth.grant();
    rehearsal.simulator.oauth.expire(accessToken);
    const tokenUrl = `${rehearsal.simulator.url}/oauth/token`;
    const account = await rehearsal.claudeAccount({ credentials: { accessToken, refreshToken, tokenUrl } });
    const own = (await rehearsal.key({ accounts: [(account as { id: string }).id] })) as Made;
    rehearsal.simulator.plan({ path: '/oauth/token', times: 1, fault: { hang: 'head', hangFor: 3_000 } });
    const one = asking('Claude SSE', own.key, 'Hello.');
    const socket = ask(rehearsal.url, one);
    await eventually(() => {
      const asked = rehearsal.simulator.requests.some(({ url }) => url === '/oauth/token');
      expect(asked).toBe(true);
    });
    leave(socket, 'RST');
    const left = Date.now();
    expect(await onlyRow(rehearsal, one)).toMatchObject({ outcome: 'client-left', status: 401 });
    expect(Date.now() - left).toBeLessThan(2_500);
    // The renewal itself goes on for the others.
    const next = await send(rehearsal.url, asking('Claude SSE', own.key, 'Hello.'));
    expect(next.status).toBe(200);
    expect(rehearsal.simulator.oauth.refreshes).toBe(1);
  });
});

describe('C5: a client that takes nothing', () => {
  it('is cut after the write limit over HTTP/2 as well, and booked as what it is', async () => {
    const session = connectH2(rehearsal.url);
    session.on('error', () => undefined);
    const one = asking('Claude SSE', key.key, '[[sim: large=40mb]]');
    const stream = session.request({ ':method': 'POST', ':path': one.path, ...one.headers });
    stream.on('error', () => undefined).pause();
    stream.end(one.body);
    const row = await onlyRow(rehearsal, one);
    expect(row).toMatchObject({ outcome: 'partial', reason: 'write-stall', status: 200 });
    await eventually(() => expect(stream.destroyed).toBe(true));
    session.destroy();
  });

  it.each([
    ['Claude SSE', 'from the beginning'],
    ['Claude JSON', 'from the beginning'],
    ['Gemini array', 'after a while'],
  ] as const)('is cut after the write limit, and its place is free: %s, %s', async (way, since) => {
    const marker = randomUUID();
    const one = asking(way, key.key, `[[sim: large=40mb marker=${marker}]]`);
    const socket = ask(rehearsal.url, one);
    if (since === 'after a while') {
      let size = 0;
      socket.on('data', (piece: Buffer) => {
        size += piece.length;
        if (size > 1_000_000) socket.pause();
      });
    }
    const row = await onlyRow(rehearsal, one);
    expect(row).toMatchObject({ outcome: 'partial', reason: 'write-stall', status: 200, estimated: true });
    expect(Number(row['cost_nanos'])).toBeGreaterThan(0);
    expect(Number(row['duration_ms'])).toBeGreaterThanOrEqual(600);
    const seen = await seenBy(marker);
    await eventually(() => expect(seen.ended).toBe('client-closed'));
    // The connection is dead: what is read of it ends, and not with a proper end.
    let rest: Buffer = Buffer.alloc(0);
    socket.removeAllListeners('data').on('data', (piece: Buffer) => (rest = piece));
    socket.resume();
    await closed(socket);
    expect(rest.toString('latin1').endsWith('0\r\n\r\n')).toBe(false);
  });
});

describe('C6: two keys on one kept-alive connection', () => {
  it('are two callers, request by request', async () => {
    const accounts = await Promise.all([rehearsal.claudeAccount(), rehearsal.claudeAccount()]);
    const ids = (accounts as { id: string }[]).map(({ id }) => id);
    const keys = (await Promise.all(ids.map((id) => rehearsal.key({ accounts: [id] })))) as Made[];
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const sockets = new Set<unknown>();
    const over = (one: Asking): Promise<number> =>
      new Promise((resolve, reject) => {
        const asked = request(rehearsal.url + one.path, { method: 'POST', headers: one.headers, agent });
        asked.on('error', reject).on('socket', (socket) => sockets.add(socket));
        asked.on('response', (answer) => {
          answer.resume().on('end', () => resolve(answer.statusCode ?? 0));
        });
        asked.end(one.body);
      });
    const plan = [0, 1, 0, 1, 1, 0, undefined, 0, undefined, 1];
    const asked: { readonly one: Asking; readonly at: number | undefined }[] = [];
    for (const at of plan) {
      const one = asking('Claude JSON', at === undefined ? 'rk_nobody' : (keys[at]?.key ?? ''), 'Hello.');
      expect(await over(one)).toBe(at === undefined ? 401 : 200);
      asked.push({ one, at });
    }
    agent.destroy();
    expect(sockets.size).toBe(1);
    for (const { one, at } of asked) {
      if (at === undefined) {
        const none = await rehearsal.sql('select from ledger where client_request_id = $1', [
          one.clientRequestId,
        ]);
        expect(none).toEqual([]);
      } else {
        expect(await onlyRow(rehearsal, one)).toMatchObject({ key_id: keys[at]?.id, account_id: ids[at] });
      }
    }
  });
});
