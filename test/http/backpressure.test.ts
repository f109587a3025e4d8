import { createHash, randomUUID } from 'node:crypto';
import { type IncomingMessage, request } from 'node:http';
import type { Socket } from 'node:net';
import { asking, onlyRow, type Way, WAYS } from '../support/asking.ts';
import { eventually } from '../support/eventually.ts';
import { Rehearsal } from '../support/relay.ts';

/**
 * A client that stops reading stops the upstream. Between the two stand the kernel's buffers, which may take 6 MiB for
 * each direction of each connection, and one chunk in the relay.
 */

const BODY_MIB = 40;
const KERNEL_MIB = 24;
/** What the upstream sends in one HTTP chunk. */
const SPLIT = 32 * 1024;
/** The most that waits for a client: 32 KiB and the chunk with which they were passed, and what Node adds in framing it. */
const ONE_CHUNK = 32 * 1024 + SPLIT + 1024;

let rehearsal: Rehearsal;
let key: string;

beforeAll(async () => {
  rehearsal = await Rehearsal.start();
  await Promise.all([rehearsal.claudeAccount(), rehearsal.geminiAccount(), rehearsal.openaiAccount()]);
  key = ((await rehearsal.key()) as { key: string }).key;
});
afterEach(() => eventually(() => rehearsal.quiet()));
afterAll(() => rehearsal.close());

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The open answer of a call, of which nothing is read. */
function begin(way: Way, directives: string) {
  const marker = randomUUID();
  const one = asking(way, key, `[[sim: ${directives} marker=${marker}]]`);
  const answer = new Promise<IncomingMessage>((resolve, reject) => {
    const asked = request(rehearsal.url + one.path, { method: 'POST', headers: one.headers });
    asked.on('response', resolve).on('error', reject).end(one.body);
  });
  return { one, marker, answer };
}

/** Waits until the upstream gets rid of no more bytes; answers how many it did. */
async function bytesAtRest(marker: string): Promise<number> {
  let last = -1;
  for (let still = 0; still < 5;) {
    const sent = rehearsal.simulator.find(marker)?.bytesSent ?? 0;
    still = sent === last && sent > 0 ? still + 1 : 0;
    last = sent;
    await pause(60);
  }
  return last;
}

/** Bytes that wait in this process, where the relay runs, for the client on the other end of `socket`. */
function queuedFor(socket: Socket): number {
  const ends = (process as unknown as { _getActiveHandles(): unknown[] })
    ._getActiveHandles()
    .filter((handle) => (handle as Partial<Socket>).remotePort === socket.localPort) as Socket[];
  expect(ends).toHaveLength(1);
  return ends[0]?.writableLength ?? Infinity;
}

async function sha256Of(answer: IncomingMessage): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of answer as AsyncIterable<Buffer>) hash.update(piece);
  return hash.digest('hex');
}

describe('a client that stops reading', () => {
  it.each(WAYS)('pauses the upstream, and later gets the very same bytes: %s', async (way) => {
    const { one, marker, answer } = begin(way, `large=${BODY_MIB}mb split=${SPLIT}`);
    const open = await answer;
    const accepted = await bytesAtRest(marker);
    expect(accepted).toBeLessThan(KERNEL_MIB * 1024 * 1024);
    expect(queuedFor(open.socket)).toBeLessThanOrEqual(ONE_CHUNK);

    // It reads on by fits and starts.
    let pauses = 0;
    let most = 0;
    open.on('data', () => {
      if (pauses >= 20 || Math.random() > 0.05) return;
      pauses += 1;
      open.pause();
      setTimeout(() => {
        // Once the whole answer is here, its socket may be somebody else's already.
        if (!open.complete) most = Math.max(most, queuedFor(open.socket));
        open.resume();
      }, 5);
    });
    const sha256 = await sha256Of(open);
    expect(open.complete).toBe(true);
    expect(most).toBeLessThanOrEqual(ONE_CHUNK);
    const seen = rehearsal.simulator.find(marker);
    expect(seen?.bytesSent).toBeGreaterThan(BODY_MIB * 1024 * 1024);
    expect(sha256).toBe(seen?.answerSha256);
    expect(await onlyRow(rehearsal, one)).toMatchObject({ outcome: 'completed', estimated: false });
  });

  it('does not slow the others', async () => {
    const stalled = begin('Claude SSE', `large=${BODY_MIB}mb`);
    const open = await stalled.answer;
    await bytesAtRest(stalled.marker);
    for (let calls = 0; calls < 20; calls += 1) {
      const { answer, one } = begin('Claude SSE', 'say="quick"');
      await sha256Of(await answer);
      expect(await onlyRow(rehearsal, one)).toMatchObject({ outcome: 'completed' });
    }
    open.destroy();
    expect(await onlyRow(rehearsal, stalled.one)).toMatchObject({ outcome: 'client-left' });
  });
});
