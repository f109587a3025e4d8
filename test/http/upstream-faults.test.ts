import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenAI } from '@google/genai';
import { randomUUID } from 'node:crypto';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import {
  accountFor,
  asking,
  DOCUMENTS,
  isClaude,
  onlyRow,
  rowsOf,
  send,
  STREAMS,
  type Vendor,
  vendorOf,
  type Way,
  WAYS,
} from '../support/asking.ts';
import { makeCertificate } from '../support/certificate.ts';
import { eventually } from '../support/eventually.ts';
import { closeLentDispatcher } from '../support/genai.ts';
import { Rehearsal } from '../support/relay.ts';
import type { WireAnswer } from '../support/wire-client.ts';

/**
 * What goes wrong upstream, by its row in the catalogue: the client is told the truth in its own dialect, nobody takes
 * a torso for an answer, one ledger row says how it ended, and no place stays taken.
 */

type Row = Readonly<Record<string, unknown>>;

const TOTAL_MS = 5_000;

let rehearsal: Rehearsal;
let key: string;
const servers: Server[] = [];

beforeAll(async () => {
  rehearsal = await Rehearsal.start({
    RELAY_CONNECT_TIMEOUT_MS: '4000',
    // Long beside what a busy machine needs for an answer of some MiB.
    RELAY_HEADERS_TIMEOUT_MS: '3000',
    RELAY_JSON_HEADERS_TIMEOUT_MS: '3000',
    RELAY_IDLE_TIMEOUT_MS: '2000',
    RELAY_TOTAL_TIMEOUT_MS: String(TOTAL_MS),
  });
  const accounts = await Promise.all(DOCUMENTS.map((way) => accountFor(rehearsal, way)));
  key = (await rehearsal.key({ accounts: accounts.map(({ id }) => id) })).key;
});
afterEach(() => rehearsal.quiet());
afterAll(async () => {
  await rehearsal.close();
  for (const server of servers) server.close();
  await closeLentDispatcher();
});

/** A key whose only account has this base URL. */
async function keyFor(way: Way, baseUrl: string): Promise<string> {
  const { id } = await accountFor(rehearsal, way, { baseUrl, enabled: true });
  return (await rehearsal.key({ accounts: [id] })).key;
}

/** All of them side by side: what they share is one relay. */
async function atOnce<T>(all: readonly T[], check: (one: T) => Promise<void>): Promise<void> {
  await Promise.all(all.map(check));
}

/** The answer to one call and the only row that it left. */
async function ask(way: Way, directives: string, withKey = key): Promise<{ answer: WireAnswer; row: Row }> {
  const one = asking(way, withKey, `Hello there. ${directives && `[[sim: ${directives}]]`}`);
  const answer = await send(rehearsal.url, one);
  return { answer, row: await onlyRow(rehearsal, one) };
}

/** The same call with a marker, and what the simulator sent for it. */
async function askMarked(way: Way, directives: string) {
  const marker = randomUUID();
  const { answer, row } = await ask(way, `${directives} marker=${marker}`);
  const seen = await eventually(() => {
    const found = rehearsal.simulator.find(marker);
    expect(found?.ended).toBeDefined();
    return found;
  });
  return { answer, row, sent: seen?.answer ?? Buffer.alloc(0), seen };
}

type Told = 413 | 502 | 504;
/** Anthropic's `error.type`, Google's `status`, OpenAI's `error.type`. */
const NAMES: Readonly<Record<Vendor, Readonly<Record<Told, string>>>> = {
  Claude: { 413: 'request_too_large', 502: 'api_error', 504: 'timeout_error' },
  Gemini: { 413: 'INVALID_ARGUMENT', 502: 'UNAVAILABLE', 504: 'DEADLINE_EXCEEDED' },
  OpenAI: { 413: 'invalid_request_error', 502: 'server_error', 504: 'server_error' },
};

function errorOf(way: Way, status: Told): object {
  const message = expect.any(String) as string;
  const vendor = vendorOf(way);
  const name = NAMES[vendor][status];
  switch (vendor) {
    case 'Claude':
      return { type: 'error', error: { type: name, message }, request_id: message };
    case 'Gemini':
      return { error: { code: status, message, status: name } };
    case 'OpenAI':
      return { error: { message, type: name, param: null, code: null } };
  }
}

/** The relay's own refusal in the dialect, before any head of the upstream's. */
function expectRefused(way: Way, answer: WireAnswer, status: Told): void {
  expect({ status: answer.status, broken: answer.broken }).toEqual({ status, broken: false });
  expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
  expect(JSON.parse(answer.text)).toEqual(errorOf(way, status));
}

/** The upstream's bytes, then the dialect's error frame, then a proper end. */
function expectErrorFrame(way: Way, answer: WireAnswer, sent: Buffer, status: Told): void {
  expect({ status: answer.status, broken: answer.broken }).toEqual({ status: 200, broken: false });
  expect(answer.body.subarray(0, sent.length).equals(sent)).toBe(true);
  const frame = answer.body.subarray(sent.length).toString();
  if (way === 'Gemini array') {
    const elements = JSON.parse(answer.text) as unknown[];
    expect(elements.at(-1)).toEqual(errorOf(way, status));
    return;
  }
  const [, name, data] = /^(?:event: (error)\n)?data: ([^\r\n]+)(?:\n\n|\r\n\r\n)$/.exec(frame) ?? [];
  expect(name).toBe(isClaude(way) ? 'error' : undefined);
  expect(JSON.parse(data ?? '')).toEqual(errorOf(way, status));
}

/** The upstream's bytes and not one more, and the connection broken off. */
function expectBrokenOff(answer: WireAnswer, sent: Buffer): void {
  expect({ status: answer.status, broken: answer.broken }).toEqual({ status: 200, broken: true });
  expect(sent.subarray(0, answer.body.length).equals(answer.body)).toBe(true);
}

/** A reset may overtake the bytes before it, so that how much arrived is open; how it ended is not. */
function expectNoCleanEnd(way: Way, answer: WireAnswer): void {
  if (answer.status !== 200) return expectRefused(way, answer, 502);
  if (answer.broken) return;
  const frame = way === 'Gemini array' ? /\{"error":.+\}\r\n\]$/ : /data: .+"error":.+(\n\n|\r\n\r\n)$/;
  expect(answer.text).toMatch(frame);
}

async function listen(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** An upstream that answers with whatever the listener says. */
async function upstream(listener: RequestListener): Promise<string> {
  return `http://127.0.0.1:${await listen(createServer(listener))}`;
}

describe('U1: an upstream that cannot be reached', () => {
  it.each(WAYS)('and refuses the connection is a 502: %s', async (way) => {
    const closed = createServer();
    const port = await listen(closed);
    await new Promise((resolve) => closed.close(resolve));
    const { answer, row } = await ask(way, '', await keyFor(way, `http://127.0.0.1:${port}`));
    expectRefused(way, answer, 502);
    expect(row).toMatchObject({ outcome: 'failed', status: null, reason: 'refused', cost_nanos: '0' });
  });

  it.each([['Claude SSE'], ['Gemini JSON']] as const)('and has no address is a 502: %s', async (way) => {
    const { answer, row } = await ask(way, '', await keyFor(way, 'https://nowhere.invalid'));
    expectRefused(way, answer, 502);
    expect(row).toMatchObject({ outcome: 'failed', status: null, reason: 'dns' });
  });

  it.each([['Claude SSE'], ['Gemini JSON']] as const)(
    'and shows a certificate that nobody vouches for is a 502, and is told nothing: %s',
    async (way) => {
      let heads = 0;
      const secured = createTlsServer(makeCertificate('localhost'), () => (heads += 1));
      const { answer, row } = await ask(
        way,
        '',
        await keyFor(way, `https://127.0.0.1:${await listen(secured)}`),
      );
      expectRefused(way, answer, 502);
      expect(row).toMatchObject({ outcome: 'failed', status: null, reason: 'tls' });
      expect(heads).toBe(0);
    },
  );
});

describe('U2: an upstream that never begins to answer', () => {
  it('is a 504 in every framing, and is let go', async () => {
    await Promise.all(
      WAYS.map(async (way) => {
        const { answer, row, seen } = await askMarked(way, 'hang=head');
        expectRefused(way, answer, 504);
        expect(row).toMatchObject({ outcome: 'failed', status: null, reason: 'headers-timeout' });
        expect(seen?.ended).toBe('client-closed');
      }),
    );
    expect(rehearsal.simulator.inFlight()).toBe(0);
  });
});

describe('U3: an upstream that falls silent', () => {
  it('between two frames becomes an error frame at the idle limit', async () => {
    await Promise.all(
      STREAMS.map(async (way) => {
        const { answer, row, sent, seen } = await askMarked(way, 'hang=4');
        expectErrorFrame(way, answer, sent, 504);
        expect(row).toMatchObject({ outcome: 'partial', status: 200, reason: 'idle-timeout' });
        expect(Number(row['input_tokens'])).toBeGreaterThan(0);
        expect(Number(row['cost_nanos'])).toBeGreaterThan(0);
        expect(seen?.ended).toBe('client-closed');
      }),
    );
  });

  it('inside a frame breaks the connection, and nothing is appended', async () => {
    await Promise.all(
      STREAMS.map(async (way) => {
        const { answer, row, sent } = await askMarked(way, 'hang=150b');
        expect(sent).toHaveLength(150);
        expectBrokenOff(answer, sent);
        expect(answer.body).toHaveLength(150);
        expect(row).toMatchObject({ outcome: 'partial', status: 200, reason: 'idle-timeout' });
      }),
    );
  });

  it('inside a small document is a 504, and inside a large one breaks the connection', async () => {
    await Promise.all(
      DOCUMENTS.map(async (way) => {
        const small = await askMarked(way, 'hang=40b');
        expectRefused(way, small.answer, 504);
        expect(small.row).toMatchObject({ outcome: 'failed', status: 200, reason: 'idle-timeout' });

        const large = await ask(way, 'large=3mb hang=2000000b');
        expect(large.answer).toMatchObject({ status: 200, broken: true });
        expect(large.row).toMatchObject({ outcome: 'partial', status: 200, reason: 'idle-timeout' });
        expect(large.answer.body).toHaveLength(2_000_000);
      }),
    );
  });
});

describe('U4: an upstream that goes on and on', () => {
  it('runs to the total limit, and then ends as one that fell silent', async () => {
    const began = Date.now();
    const trickling = async () => {
      const { answer, row } = await ask('Claude JSON', 'drip=100');
      expectRefused('Claude JSON', answer, 504);
      expect(row).toMatchObject({ outcome: 'failed', status: 200, reason: 'total-timeout' });
    };
    await Promise.all([
      trickling(),
      ...STREAMS.map(async (way) => {
        const { answer, row, sent } = await askMarked(way, 'deltas=100 every=250');
        expectErrorFrame(way, answer, sent, 504);
        expect(row).toMatchObject({ outcome: 'partial', status: 200, reason: 'total-timeout' });
      }),
    ]);
    expect(Date.now() - began).toBeGreaterThanOrEqual(TOTAL_MS);
  });
});

describe('U5: an upstream that breaks off', () => {
  it.each(STREAMS)('at the end of a frame never looks like a clean end: %s', async (way) => {
    await atOnce(['end', 'fin'] as const, async (how) => {
      const { answer, row, sent } = await askMarked(way, `${how}=4`);
      expectErrorFrame(way, answer, sent, 502);
      const reason = how === 'end' ? 'truncated' : 'reset';
      expect({ how, ...row }).toMatchObject({ how, outcome: 'partial', status: 200, reason });
      expect(Number(row['cost_nanos'])).toBeGreaterThan(0);
    });
  });

  it.each(STREAMS)('inside a frame or a chunk breaks the connection: %s', async (way) => {
    await atOnce(['end', 'fin', 'cut'] as const, async (how) => {
      const { answer, row, sent } = await askMarked(way, `${how}=150b`);
      expect({ how, broken: answer.broken, status: answer.status }).toEqual({
        how,
        broken: true,
        status: 200,
      });
      expect(answer.body.subarray(0, 150).equals(sent.subarray(0, 150))).toBe(true);
      expect(['partial', 'unknown']).toContain(row['outcome']);
    });
  });

  it.each(STREAMS)('by a reset never looks like a clean end either: %s', async (way) => {
    await atOnce(['reset=4', 'reset=150b'], async (how) => {
      const { answer, row } = await ask(way, how);
      expectNoCleanEnd(way, answer);
      expect(row).toMatchObject({ outcome: answer.status === 200 ? 'partial' : 'failed', reason: 'reset' });
    });
  });

  it.each(DOCUMENTS)('inside a document is a 502: %s', async (way) => {
    await atOnce(['end', 'fin', 'reset', 'cut'] as const, async (how) => {
      const { answer, row } = await ask(way, `${how}=40b`);
      expectRefused(way, answer, 502);
      expect({ how, ...row }).toMatchObject(
        how === 'end'
          ? { how, outcome: 'unknown', reason: 'upstream-unusable', status: 200 }
          : { how, outcome: 'failed', reason: 'reset' },
      );
    });
    const { answer, row } = await ask(way, 'length fin=40b');
    expectRefused(way, answer, 502);
    expect(row).toMatchObject({ outcome: 'failed', reason: 'reset' });
  });

  it.each(DOCUMENTS)(
    'inside a document too large to be looked at first breaks the connection: %s',
    async (way) => {
      await atOnce(['end', 'fin', 'cut', 'length fin'] as const, async (how) => {
        const { answer, row } = await ask(way, `large=3mb ${how}=2000000b`);
        expect({ how, status: answer.status, broken: answer.broken }).toEqual({
          how,
          status: 200,
          broken: true,
        });
        expect(row).toMatchObject({ outcome: 'partial', estimated: true });
        expect(Number(row['cost_nanos'])).toBeGreaterThan(0);
      });
    },
  );

  it.each(WAYS)('before the first byte is a 502: %s', async (way) => {
    await atOnce(['reset=0', 'fin=0'], async (how) => {
      const { answer, row } = await ask(way, how);
      expectRefused(way, answer, 502);
      expect(row).toMatchObject({ outcome: 'failed', reason: 'reset' });
    });
  });

  it.each(WAYS)(
    'before its head is asked once more on a new connection, and then a 502 (U19): %s',
    async (way) => {
      await atOnce(['reset=head', 'fin=head'], async (how) => {
        const one = asking(way, key, `Hello there. [[sim: ${how}]]`);
        const answer = await send(rehearsal.url, one);
        expectRefused(way, answer, 502);
        expect(answer.headers['x-relay-attempts']).toBe('2');
        const rows = await rowsOf(rehearsal, one, 2);
        const failed = { outcome: 'failed', reason: 'reset' };
        expect(rows).toMatchObject([
          { ...failed, attempt: 1 },
          { ...failed, attempt: 2 },
        ]);
      });
    },
  );

  it('is an error to the official SDKs, however it breaks', async () => {
    const claude = new Anthropic({ baseURL: rehearsal.url, apiKey: key, maxRetries: 0 });
    const google = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: rehearsal.url } });
    const breaks = [
      'end=4',
      'fin=4',
      'reset=4',
      'cut=4',
      'end=150b',
      'fin=150b',
      'reset=150b',
      'cut=150b',
      'hang=4',
    ];
    await Promise.all(
      breaks.map(async (how) => {
        const content = `Hello [[sim: ${how}]]`;
        await expect(
          (async () => {
            const stream = await claude.messages.create({
              model: 'claude-sonnet-5',
              max_tokens: 100,
              stream: true,
              messages: [{ role: 'user', content }],
            });
            for await (const event of stream) void event;
          })(),
        ).rejects.toThrow();
        await expect(
          (async () => {
            const stream = await google.models.generateContentStream({
              model: 'gemini-2.5-flash',
              contents: content,
            });
            for await (const chunk of stream) void chunk;
          })(),
        ).rejects.toThrow();
      }),
    );
    await eventually(() => rehearsal.quiet());
  });
});

describe('an error that the upstream tells inside its stream', () => {
  it.each(STREAMS)('reaches the client unchanged, and is booked as partial: %s', async (way) => {
    const reason = { Claude: 'overloaded_error', Gemini: 'UNAVAILABLE', OpenAI: 'server_error' }[
      vendorOf(way)
    ];
    await atOnce(['', ' fin=tail'], async (end) => {
      const { answer, row, sent } = await askMarked(way, `error=3${end}`);
      expect(answer).toMatchObject({ status: 200, broken: false });
      expect(answer.body.equals(sent)).toBe(true);
      expect(row).toMatchObject({ outcome: 'partial', status: 200, reason });
    });
  });

  it.each(STREAMS)('is booked also when it is the first frame: %s', async (way) => {
    const { answer, row, sent } = await askMarked(way, 'error=0');
    expect(answer.body.equals(sent)).toBe(true);
    expect(answer).toMatchObject({ status: 200, broken: false });
    expect(row).toMatchObject({ outcome: 'partial', status: 200, cost_nanos: '0' });
  });
});

describe('U10: an answer that is not the vendor’s', () => {
  it.each(WAYS)('is a 502 and a row whose usage is unknown: %s', async (way) => {
    const unlike = ['html', 'wrong-type=text/plain', 'empty', 'end=0', 'gzip'];
    // A streamed array that begins wrongly has begun: its head is with the client.
    if (way !== 'Gemini array') unlike.push('bad-json');
    await atOnce(unlike, async (how) => {
      const { answer, row } = await ask(way, how);
      expectRefused(way, answer, 502);
      expect(answer.headers).not.toHaveProperty('content-encoding');
      expect({ how, ...row }).toMatchObject({ how, outcome: 'unknown', status: 200, cost_nanos: '0' });
    });
  });

  it('that is an array only in its content-type breaks the connection', async () => {
    const { answer, row } = await ask('Gemini array', 'bad-json');
    expect(answer).toMatchObject({ status: 200, broken: true });
    expect(row).toMatchObject({ outcome: 'unknown', status: 200 });
  });

  it('with an empty or partial success status is a 502', async () => {
    await atOnce([202, 204, 206], async (status) => {
      const withKey = await keyFor(
        'Claude JSON',
        await upstream((_request, response) => response.writeHead(status).end()),
      );
      const { answer, row } = await ask('Claude JSON', '', withKey);
      expectRefused('Claude JSON', answer, 502);
      expect(row).toMatchObject({ outcome: 'unknown', status });
    });
  });

  it('whose document turns to rubbish after its first MiB breaks the connection', async () => {
    const base = await upstream((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write(`{"type":"message","content":[{"type":"text","text":"${'a'.repeat(1_500_000)}"`);
      response.end(']]]] and so on');
    });
    const { answer, row } = await ask('Claude JSON', '', await keyFor('Claude JSON', base));
    expect(answer).toMatchObject({ status: 200, broken: true });
    expect(row).toMatchObject({ outcome: 'unknown', status: 200, estimated: true });
    expect(Number(row['output_tokens'])).toBe(375_000);
  });
});

describe('U14: a redirect', () => {
  it.each(WAYS)('is not followed and not passed on: %s', async (way) => {
    let heads = 0;
    const inside = await upstream((_request, response) => {
      heads += 1;
      response.end();
    });
    await atOnce([301, 302, 307, 308], async (status) => {
      const { answer, row } = await ask(way, `redirect=${inside}/ status=${status}`);
      expectRefused(way, answer, 502);
      expect(answer.headers).not.toHaveProperty('location');
      expect(row).toMatchObject({ outcome: 'failed', status, reason: 'redirect' });
    });
    expect(heads).toBe(0);
  });
});
