import { createServer, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer } from 'node:net';
import { send } from '../support/asking.ts';
import { eventually } from '../support/eventually.ts';
import { Pool } from '../support/pool.ts';
import { admin, Rehearsal } from '../support/relay.ts';

/** Failover before the first byte: the client sees one answer, the ledger every attempt. */

let rehearsal: Rehearsal;

/** A relay of its own for each group of tests: the share of repetitions is by process. */
function ownRelay(): void {
  beforeAll(async () => {
    rehearsal = await Rehearsal.start({ RELAY_HEADERS_TIMEOUT_MS: '500', RELAY_CONNECT_TIMEOUT_MS: '500' });
  });
  afterEach(async () => {
    await rehearsal.quiet();
    rehearsal.simulator.clear();
  });
  afterAll(() => rehearsal.close());
}

/** The first account is always chosen first. */
const FIRST = [{ priority: 1 }, { priority: 2 }];
const of = (settings: readonly object[] = FIRST, more: Parameters<typeof Pool.of>[2] = {}): Promise<Pool> =>
  Pool.of(rehearsal, settings, more);

describe('a call whose first account fails', () => {
  ownRelay();

  it.each([
    ['nothing listens there', 'http://127.0.0.1:1', 'refused'],
    ['its name has no address', 'https://no-such-host.invalid', 'dns'],
    ['it does not speak TLS', 'https', 'tls'],
  ])('is answered by the next one when %s: U1', async (_, baseUrl, reason) => {
    const url = baseUrl === 'https' ? rehearsal.simulator.url.replace('http:', 'https:') : baseUrl;
    const pool = await of([{ priority: 1, baseUrl: url }, { priority: 2 }]);
    const called = await pool.call();
    expect(called.answer).toMatchObject({ status: 200, broken: false });
    expect(called.answer.headers['x-relay-attempts']).toBe('2');
    const rows = await pool.rowsOf(called, 2);
    expect(rows).toMatchObject([
      { attempt: 1, account_id: pool.at(0).id, outcome: 'failed', status: null, reason, cost_nanos: '0' },
      { attempt: 2, account_id: pool.at(1).id, outcome: 'completed', status: 200, reason: null },
    ]);
    expect(rows[0]?.['request_id']).toBe(called.answer.headers['x-relay-request-id']);
    expect(rows[1]?.['request_id']).toBe(rows[0]?.['request_id']);
  });

  it('is a 502 when none of them can be reached: U1', async () => {
    const gone = 'http://127.0.0.1:1';
    const pool = await of([{ baseUrl: gone }, { baseUrl: gone }]);
    const called = await pool.call();
    expect(called.answer.status).toBe(502);
    expect(called.answer.headers['x-relay-attempts']).toBe('2');
    await pool.rowsOf(called, 2);
  });

  it('is answered by one other when its head does not come in time, and the place is free: U2', async () => {
    const pool = await of([
      { priority: 1, maxConcurrency: 1 },
      { priority: 2, maxConcurrency: 1 },
    ]);
    const stop = pool.plan(0, { hang: 'head' });
    const called = await pool.call();
    stop();
    expect(called.answer).toMatchObject({ status: 200, broken: false });
    expect(await pool.rowsOf(called, 2)).toMatchObject([
      { outcome: 'failed', reason: 'headers-timeout' },
      { outcome: 'completed' },
    ]);
    expect(pool.callsTo(0) + pool.callsTo(1)).toBe(2);
    // Both places are free: the next call goes to the first again.
    expect((await pool.call()).answer.headers['x-relay-attempts']).toBe('1');
    expect(pool.callsTo(0)).toBe(2);
  });

  it.each([
    ['a 401', { status: 401 }],
    ['a 403', { status: 403 }],
    ['a 402', { status: 402 }],
    ['low credit', { status: 400, reason: 'low-credit' }],
    ['a 429', { status: 429, retryAfter: '30' }],
    ['the edge’s own 403', { status: 403, html: true }],
  ])('is answered by the next one after %s, and the account is not asked again: U7', async (_, fault) => {
    const pool = await of();
    const stop = pool.plan(0, fault);
    const called = await pool.call();
    expect(called.answer).toMatchObject({ status: 200, broken: false });
    expect(called.answer.headers['x-relay-attempts']).toBe('2');
    await pool.rowsOf(called, 2);
    const again = await pool.call();
    stop();
    expect(again.answer.status).toBe(200);
    expect(again.answer.headers['x-relay-attempts']).toBe('1');
    expect(pool.callsTo(0)).toBe(1);
    const shown = await admin(rehearsal.url, 'GET', `/accounts/${pool.at(0).id}`);
    expect(shown.body).toMatchObject({
      enabled: true,
      health: { cooldowns: [{ scope: expect.any(String) as unknown }] },
    });
  });
});

describe('a call whose first account is well, but its vendor is not', () => {
  ownRelay();

  it.each([
    ['500', { status: 500 }],
    ['502 in HTML', { status: 502, html: true }],
    ['an answer that is none', { html: true }],
    ['an empty answer', { empty: true }],
    ['a reset before its head', { reset: 'head' as const }],
  ])('is answered by the next one after %s', async (_, fault) => {
    const pool = await of();
    const stop = pool.plan(0, fault);
    const called = await pool.call();
    stop();
    expect(called.answer).toMatchObject({ status: 200, broken: false });
    expect(
      (await pool.rowsOf(called, Number(called.answer.headers['x-relay-attempts']))).at(-1),
    ).toMatchObject({
      outcome: 'completed',
      account_id: pool.at(1).id,
    });
  });

  it.each(['Claude JSON', 'Gemini SSE', 'Gemini JSON'] as const)(
    'is so in every framing: %s',
    async (way) => {
      const pool = await of(FIRST, { way });
      pool.plan(0, { status: 500 }, 1);
      const called = await pool.call();
      expect(called.answer).toMatchObject({ status: 200, broken: false });
      await pool.rowsOf(called, 2);
    },
  );

  it('takes at each account the form that is spoken there, and tells the edits of the one that answered', async () => {
    const gemini = await rehearsal.geminiAccount({
      priority: 1,
      models: { map: { 'claude-sonnet-5': 'gemini-2.5-flash' } },
    });
    const claude = await rehearsal.claudeAccount({ priority: 2 });
    const key = await rehearsal.key({ accounts: [gemini.id, claude.id] });
    const pool = await of();
    rehearsal.simulator.plan({ model: 'gemini-2.5-flash', times: 1, fault: { status: 500 } });
    const one = { ...pool.asking('hello'), headers: { ...pool.asking().headers, 'x-api-key': key.key } };
    const answer = await send(rehearsal.url, one);
    expect(answer).toMatchObject({ status: 200, broken: false });
    expect(answer.headers['x-relay-edits']).toBe('none');
    expect(answer.headers['x-relay-attempts']).toBe('2');
    expect(rehearsal.simulator.requests.map(({ operation }) => operation)).toEqual([
      expect.stringMatching(/^gemini:/),
      expect.stringMatching(/^anthropic:/),
    ]);
    // The same bytes as without the detour.
    expect(rehearsal.simulator.requests.at(-1)?.body.toString()).toBe(one.body);
  });

  it('keeps its body for the next attempt, whole', async () => {
    const pool = await of();
    pool.plan(0, { status: 500 }, 1);
    const one = pool.asking('x'.repeat(1_000_000));
    expect((await send(rehearsal.url, one)).status).toBe(200);
    const [first, second] = rehearsal.simulator.requests;
    expect(second?.bodySha256).toBe(first?.bodySha256);
    expect(second?.bodyBytes).toBe(Buffer.byteLength(one.body));
  });

  it('tries a vendor that is overloaded once more, after a pause, and no further', async () => {
    const pool = await of([{}, {}, {}, {}]);
    const began = performance.now();
    const called = await pool.call('status=529');
    expect(called.answer.status).toBe(529);
    expect(performance.now() - began).toBeGreaterThanOrEqual(200);
    expect(called.answer.headers['x-relay-attempts']).toBe('2');
    // Of this body the first is refused, and the next one answered.
    expect((await pool.call('status=529 times=1')).answer.status).toBe(200);
  });

  it('goes on at another origin at once when one is overloaded', async () => {
    const other = await startForwarder(rehearsal.simulator.url);
    try {
      const pool = await of([{ priority: 1 }, { priority: 2 }, { priority: 3, baseUrl: other.url }]);
      pool.plan(0, { status: 529 });
      const called = await pool.call();
      expect(called.answer.status).toBe(200);
      expect(await pool.rowsOf(called, 2)).toMatchObject([
        { account_id: pool.at(0).id, status: 529 },
        { account_id: pool.at(2).id, status: 200 },
      ]);
    } finally {
      await other.close();
    }
  });
});

describe('a call is not tried again', () => {
  ownRelay();

  it.each([400, 404, 409, 413, 422])('after the caller’s own mistake: %s', async (status) => {
    const pool = await of();
    const called = await pool.call(`status=${status}`);
    expect(called.answer.status).toBe(status);
    expect(called.answer.headers['x-relay-attempts']).toBe('1');
    await pool.rowsOf(called);
    expect(pool.callsTo(1)).toBe(0);
  });

  it.each(['reset=2', 'end=2', 'error=2', 'cut=2'])('after a byte: %s', async (directives) => {
    const pool = await of();
    const called = await pool.call(directives);
    expect(called.answer.headers['x-relay-attempts']).toBe('1');
    expect(await pool.rowsOf(called)).toMatchObject([{ outcome: 'partial' }]);
    expect(pool.callsTo(1)).toBe(0);
  });

  it('at more accounts than a call may try', async () => {
    const pool = await of([{}, {}, {}, {}, {}]);
    const called = await pool.call('status=500');
    expect(called.answer.status).toBe(500);
    expect(called.answer.headers['x-relay-attempts']).toBe('3');
    const rows = await pool.rowsOf(called, 3);
    expect(new Set(rows.map((row) => row['account_id'])).size).toBe(3);
  });

  it('once its key is revoked', async () => {
    const pool = await of();
    const stop = pool.plan(0, { status: 500, latency: 400 });
    const calling = pool.call();
    await eventually(() => expect(pool.callsTo(0)).toBe(1));
    await admin(rehearsal.url, 'POST', `/keys/${pool.keyId}/revoke`);
    const called = await calling;
    stop();
    expect(called.answer.status).toBe(401);
    expect(pool.callsTo(1)).toBe(0);
    await pool.rowsOf(called);
  });

  it('once its client has left between two attempts: C7', async () => {
    const pool = await of([{}, {}]);
    const leaving = new AbortController();
    const calling = pool.call('status=529', { signal: leaving.signal }).catch(() => undefined);
    // Between the attempts there is a pause of at least 200 ms.
    await eventually(() => expect(rehearsal.simulator.requests.at(-1)?.ended).toBe('finished'));
    leaving.abort();
    await calling;
    await rehearsal.quiet();
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(rehearsal.simulator.requests).toHaveLength(1);
    const rows = await rehearsal.sql('select attempt, status from ledger where account_id = any ($1)', [
      pool.accounts.map(({ id }) => id),
    ]);
    expect(rows).toEqual([{ attempt: 1, status: 529 }]);
  });
});

describe('a kept connection that the other side has closed', () => {
  ownRelay();

  it('is met with one new one, and both attempts are booked: U19', async () => {
    const upstream = await startClosing();
    try {
      const pool = await of([{ baseUrl: upstream.url }]);
      expect((await pool.call()).answer.status).toBe(200);
      upstream.breakKept();
      const called = await pool.call();
      expect(called.answer).toMatchObject({ status: 200, broken: false });
      expect(called.answer.headers['x-relay-attempts']).toBe('2');
      const own = pool.at(0).id;
      expect(await pool.rowsOf(called, 2)).toMatchObject([
        { account_id: own, outcome: 'failed', status: null, reason: 'reset' },
        { account_id: own, outcome: 'completed', status: 200 },
      ]);
      expect(upstream.connections()).toBe(2);
    } finally {
      await upstream.close();
    }
  });

  it('is not tried a third time there, nor once a byte came back: U19', async () => {
    const pool = await of([{}]);
    const refused = await pool.call('reset=head');
    expect(refused.answer.status).toBe(502);
    expect(refused.answer.headers['x-relay-attempts']).toBe('2');
    await pool.rowsOf(refused, 2);
    const broken = await pool.call('reset=20b');
    expect(broken.answer.headers['x-relay-attempts']).toBe('1');
    await pool.rowsOf(broken);
  });

  it.each([
    ['a part of the head', 'HTTP/1.1 200 OK\r\ncontent-ty'],
    ['an interim head', 'HTTP/1.1 103 Early Hints\r\n\r\n'],
    ['what is not HTTP', 'HTTP/1.1 okay\r\n\r\n'],
  ])('is not asked again once %s came back: U19', async (_, bytes) => {
    let connections = 0;
    const server = createTcpServer((socket) => {
      connections += 1;
      socket.on('error', () => undefined).once('data', () => socket.end(bytes));
    });
    const pool = await of([{ baseUrl: await listening(server) }]);
    try {
      const { answer } = await pool.call();
      expect(answer.status).toBe(502);
      expect(answer.headers['x-relay-attempts']).toBe('1');
      expect(connections).toBe(1);
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });
});

describe('when every account fails', () => {
  ownRelay();

  it('upstreams see at most 1.2 calls for each that was offered, and refusals come soon: U9', async () => {
    const pool = await of([{}, {}, {}, {}]);
    const stop = rehearsal.simulator.plan({ path: '/v1/messages', fault: { status: 500 } });
    const took: number[] = [];
    for (let round = 0; round < 10; round += 1) {
      await Promise.all(
        Array.from({ length: 10 }, async () => {
          const began = performance.now();
          expect((await pool.call()).answer.status).toBe(500);
          took.push(performance.now() - began);
        }),
      );
    }
    stop();
    expect(rehearsal.simulator.requests.length).toBeGreaterThan(100);
    expect(rehearsal.simulator.requests.length).toBeLessThanOrEqual(120);
    // A second is the promise; here ten calls at a time share two cores with everything else.
    expect(took.sort((a, b) => a - b).at(-2)).toBeLessThan(10_000);
  });

  it('for their own sake, it says when the soonest is there again', async () => {
    const pool = await of([{ priority: 1 }, { priority: 2 }, { priority: 3 }]);
    pool.plan(0, { status: 429, retryAfter: '40' });
    pool.plan(1, { status: 401 });
    pool.plan(2, { status: 429, retryAfter: '600' });
    const first = await pool.call();
    expect(first.answer.status).toBe(429);
    expect(first.answer.headers['x-relay-attempts']).toBe('3');
    expect(Number(first.answer.headers['retry-after'])).toBeGreaterThanOrEqual(39);
    expect(Number(first.answer.headers['retry-after'])).toBeLessThanOrEqual(45);
    const second = await pool.call();
    expect(second.answer.status).toBe(429);
    expect(second.answer.headers['x-relay-attempts']).toBe('0');
    expect(Number(second.answer.headers['retry-after'])).toBeGreaterThanOrEqual(30);
    expect(Number(second.answer.headers['retry-after'])).toBeLessThanOrEqual(45);
    expect(second.answer.headers).not.toHaveProperty('x-should-retry');
  });

  it('and only a person can mend it, it says so', async () => {
    const pool = await of();
    for (const index of [0, 1]) pool.plan(index, { status: 401 });
    for (const attempts of ['2', '0']) {
      const { answer } = await pool.call();
      expect(answer.status).toBe(503);
      expect(answer.headers['x-should-retry']).toBe('false');
      expect(answer.headers['x-relay-attempts']).toBe(attempts);
    }
  });
});

/** Passes requests on, so that the same upstream has another origin. */
async function startForwarder(to: string): Promise<{ url: string; close: () => Promise<void> }> {
  const server = createServer((request, response) => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
      const headers = Object.entries(request.headers).flatMap(([name, value]): [string, string][] =>
        /^(x-api-key|anthropic-|content-type)/.test(name) ? [[name, String(value)]] : [],
      );
      const answer = await fetch(to + (request.url ?? ''), {
        method: 'POST',
        headers,
        body: Buffer.concat(chunks),
      });
      response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' });
      response.end(Buffer.from(await answer.arrayBuffer()));
    })();
  });
  return { url: await listening(server), close: () => closed(server) };
}

/** Answers, keeps the connection, and can break all kept ones with their next request. */
async function startClosing() {
  let connections = 0;
  let breaking = false;
  const server = createServer((request, response) => {
    request.resume();
    if (breaking && request.socket.bytesWritten > 0) {
      request.socket.destroy();
      return;
    }
    const message = {
      type: 'message',
      role: 'assistant',
      content: [],
      usage: { input_tokens: 1, output_tokens: 1 },
    };
    const events = [
      { type: 'message_start', message },
      { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 1 } },
      { type: 'message_stop' },
    ];
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.end(events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join(''));
  });
  server.on('connection', () => (connections += 1));
  return {
    url: await listening(server),
    breakKept: () => (breaking = true),
    connections: () => connections,
    close: () => closed(server),
  };
}

async function listening(server: Server | TcpServer): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
