import { randomUUID } from 'node:crypto';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { accountFor, asking, DOCUMENTS, onlyRow, send, STREAMS, type Way, WAYS } from '../support/asking.ts';
import { eventually } from '../support/eventually.ts';
import { Rehearsal } from '../support/relay.ts';
import type { WireAnswer } from '../support/wire-client.ts';

/** Upstreams that send what nobody asked for, by their rows in the catalogue, for each kind and framing. */

const MIB = 1024 * 1024;

let rehearsal: Rehearsal;

beforeAll(async () => {
  // One attempt a call: each fault is looked at by itself.
  rehearsal = await Rehearsal.start({ RELAY_MAX_ATTEMPTS: '1' });
});
afterEach(async () => {
  await rehearsal.quiet();
  rehearsal.simulator.clear();
});
afterAll(() => rehearsal.close());

interface Place {
  readonly key: string;
  readonly credential: string;
}

/** A key whose only account is its own, so that no trouble of one test is another's. */
async function place(way: Way, more: object = {}): Promise<Place> {
  const prefix = { C: 'sk-ant-sim', G: 'gemini-sim', O: 'sk-sim' }[way[0] as 'C' | 'G' | 'O'];
  const credential = `${prefix}-${randomUUID()}`;
  const { id } = await accountFor(rehearsal, way, { credentials: { apiKey: credential }, ...more });
  return { key: (await rehearsal.key({ accounts: [id] })).key, credential };
}

async function ask(way: Way, directive: string, { key }: Place) {
  const one = asking(way, key, `Hello. [[sim: ${directive}]]`);
  const answer = await send(rehearsal.url, one);
  return { answer, row: await onlyRow(rehearsal, one) };
}
const last = () => rehearsal.simulator.requests.at(-1)!;

/** A refusal of ours: small, readable, not compressed. */
function expectOurs(answer: WireAnswer, status: number): void {
  expect({ status: answer.status, broken: answer.broken }).toEqual({ status, broken: false });
  expect(answer.headers).not.toHaveProperty('content-encoding');
  expect(answer.body.length).toBeLessThan(1024);
  expect(JSON.parse(answer.text)).toMatchObject({ error: { message: expect.any(String) as string } });
}

describe('U15: an answer that is compressed though identity was asked for', () => {
  it.each(WAYS)('is a 502, and nothing of it is unfolded: %s', async (way) => {
    const at = await place(way);
    for (const directive of ['gzip', 'gzip large=16mb']) {
      const { answer, row } = await ask(way, directive, at);
      const seen = last();
      expect(seen.headers['accept-encoding']).toBe('identity');
      expectOurs(answer, 502);
      // Neither told nor counted: what would be 16 MiB is a few KiB on the wire, and stays that.
      expect(row).toMatchObject({ outcome: 'unknown', status: 200, output_tokens: '0', cost_nanos: '0' });
      expect(seen.bytesSent).toBeLessThan(MIB);
    }
  });

  it.each(DOCUMENTS)('is a 502 where it is a refusal, too: %s', async (way) => {
    const { answer, row } = await ask(way, 'status=400 gzip', await place(way));
    expectOurs(answer, 502);
    expect(row).toMatchObject({ outcome: 'failed', status: 400 });
  });
});

describe('U16: headers that are not the client’s', () => {
  const RUDE = 'set-cookie hop-by-hop echo-header huge-headers=8kb header.x-custom=1 header.server=edge';

  it.each(WAYS)('are filtered, cookies, connection and credential among them: %s', async (way) => {
    const at = await place(way);
    const { answer } = await ask(way, `say=ok ${RUDE}`, at);
    expect(answer.status).toBe(200);
    expect(last().credential).toBe(at.credential);
    expect(Object.keys(answer.headers)).not.toEqual(
      expect.arrayContaining([
        expect.stringMatching(/cookie|^x-(hop|huge|echo|custom)|^proxy|^upgrade|^server$/),
      ]),
    );
    const told = answer.rawHeaders.join('\n');
    expect(told).not.toContain(at.credential);
    expect(told.length).toBeLessThan(4096);
  });

  it.each(DOCUMENTS)('are filtered from a refusal as well: %s', async (way) => {
    const at = await place(way);
    const { answer } = await ask(way, `status=400 ${RUDE}`, at);
    expect(answer.status).toBe(400);
    const told = answer.rawHeaders.join('\n');
    expect(told).not.toMatch(/cookie|x-hop|x-huge|x-echo|x-custom/i);
    expect(told).not.toContain(at.credential);
  });

  it.each(WAYS)('are a 502 where there is no end of them: %s', async (way) => {
    const { answer, row } = await ask(way, 'huge-headers=200kb', await place(way));
    expectOurs(answer, 502);
    expect(row).toMatchObject({ outcome: 'failed', status: null });
  });
});

describe('U17: an error that quotes the account’s credential', () => {
  it.each(DOCUMENTS)('has asterisks for it: %s', async (way) => {
    const at = await place(way);
    const { answer } = await ask(way, 'status=400 echo message="Look:"', at);
    expect(answer.status).toBe(400);
    expect(last().answer.toString()).toContain(at.credential);
    expect(answer.text).toContain('Look:');
    expect(answer.text).toContain('*'.repeat(at.credential.length));
    expect(answer.text).not.toContain(at.credential);
  });

  it.each(STREAMS)('has them inside a stream too, wherever the bytes are cut: %s', async (way) => {
    const at = await place(way);
    for (const split of ['', 'split=7', 'split=1']) {
      const { answer } = await ask(way, `error=2 echo message="Look:" ${split}`, at);
      expect(last().answer.toString()).toContain(at.credential);
      expect(answer.text).toContain('Look:');
      // Three bytes may be gone before anybody can know.
      expect(answer.text).toContain('*'.repeat(at.credential.length - 3));
      const random = at.credential.split('-').filter(({ length }) => length >= 8);
      expect(random.filter((piece) => answer.text.includes(piece))).toEqual([]);
    }
  });
});

describe('U18: an upstream that answers 413 before it has read the body', () => {
  const BODY_MIB = 24;
  const ERRORS: Readonly<Record<string, object>> = {
    'Claude JSON': { type: 'error', error: { type: 'request_too_large', message: 'Too much' } },
    'Gemini JSON': { error: { code: 413, message: 'Too much', status: 'INVALID_ARGUMENT' } },
    'OpenAI JSON': { error: { message: 'Too much', type: 'invalid_request_error', param: null, code: null } },
  };

  /** Refuses at the first bytes, reads no more of them, and counts what it was sent. */
  async function hasty(document: string) {
    const sockets: Socket[] = [];
    const server = createServer((socket) => {
      sockets.push(socket);
      socket
        .on('error', () => undefined)
        .once('data', () => {
          socket.pause();
          socket.write(
            `HTTP/1.1 413 Payload Too Large\r\ncontent-type: application/json\r\n` +
              `content-length: ${Buffer.byteLength(document)}\r\n\r\n${document}`,
          );
        });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return {
      baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
      sockets,
      close: () => server.close(),
    };
  }

  it.each(DOCUMENTS)('is forwarded as it came, and the upload stops: %s', async (way) => {
    const document = JSON.stringify(ERRORS[way]);
    const upstream = await hasty(document);
    const at = await place(way, { baseUrl: upstream.baseUrl });
    const one = asking(way, at.key, 'x'.repeat(BODY_MIB * MIB));
    const answer = await send(rehearsal.url, one);
    expect({ status: answer.status, text: answer.text }).toEqual({ status: 413, text: document });
    expect(await onlyRow(rehearsal, one)).toMatchObject({ outcome: 'refused', status: 413, cost_nanos: '0' });
    // Cut, and far from whole: what went is what the buffers between the two took.
    await eventually(() => {
      for (const socket of upstream.sockets) socket.resume();
      expect(upstream.sockets.every((socket) => socket.destroyed)).toBe(true);
    });
    expect(upstream.sockets).toHaveLength(1);
    expect(upstream.sockets[0]!.bytesRead).toBeLessThan((BODY_MIB / 2) * MIB);
    upstream.close();
  });
});
