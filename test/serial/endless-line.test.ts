import { randomBytes } from 'node:crypto';
import { type IncomingMessage, request } from 'node:http';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { type Asking, asking } from '../support/asking.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { query } from '../support/query.ts';
import { expectQuiet } from '../support/quiet.ts';
import { admin, ADMIN_TOKEN } from '../support/relay.ts';
import { type SpawnedRelay, spawnRelay } from '../support/spawned-relay.ts';

const MIB = 1024 * 1024;
const LINE_MIB = 256;
const ALLOWED_MIB = 32;
/** Bytes that passed lie beside the heap until V8 looks for them, which is after another 32 MiB of them. */
const WITH_BUFFERS_MIB = 64;
const METRICS_TOKEN = 'metrics-token-of-this-test';

/** U11, measured from outside: the relay is a process of its own. */
describe('U11: a stream that is one line without an end', () => {
  let simulator: Simulator;
  let database: TestDatabase;
  let relay: SpawnedRelay;
  let key: string;

  beforeAll(async () => {
    [simulator, database] = await Promise.all([startSimulator(), createDatabase()]);
    relay = await spawnRelay({
      DATABASE_URL: database.url,
      RELAY_ADMIN_TOKEN: ADMIN_TOKEN,
      RELAY_METRICS_TOKEN: METRICS_TOKEN,
      RELAY_ENCRYPTION_KEYS: `k1:${randomBytes(32).toString('base64')}`,
      RELAY_ALLOWED_UPSTREAMS: '127.0.0.0/8',
      RELAY_LOG_LEVEL: 'warn',
      RELAY_DRAIN_SECONDS: '5',
    });
    const kinds = [
      ['claude', 'sk-ant-sim-1', ''],
      ['gemini', 'gemini-sim-1', ''],
      ['openai-compatible', 'sk-sim-1', '/v1'],
    ];
    for (const [kind, apiKey, path] of kinds) {
      const baseUrl = simulator.url + path;
      const account = { name: kind, kind, baseUrl, credentials: { apiKey } };
      expect((await admin(relay.url, 'POST', '/accounts', account)).status).toBe(201);
    }
    const scopes = ['claude', 'gemini', 'openai'];
    const made = await admin(relay.url, 'POST', '/keys', { name: 'tests', scopes, models: ['*'] });
    key = (made.body as { key: string }).key;
  }, 60_000);
  afterAll(async () => {
    await relay.leave();
    await simulator.close();
    await database.drop();
  });

  async function weigh(): Promise<{ heap: number; all: number }> {
    const headers = { authorization: `Bearer ${METRICS_TOKEN}` };
    const text = await (await fetch(`${relay.url}/metrics`, { headers })).text();
    const mib = (name: string): number => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]) / MIB;
    const heap = mib('nodejs_heap_size_used_bytes');
    return { heap, all: heap + mib('nodejs_external_memory_bytes') };
  }

  /** Reads the answer as it comes and keeps nothing but its size. */
  async function drained(one: Asking): Promise<{ size: number; whole: boolean; end: string }> {
    const open = await new Promise<IncomingMessage>((resolve, reject) => {
      const asked = request(relay.url + one.path, { method: 'POST', headers: one.headers, agent: false });
      asked.on('response', resolve).on('error', reject).end(one.body);
    });
    let size = 0;
    let end = Buffer.alloc(0);
    open.on('data', (piece: Buffer) => {
      size += piece.length;
      end = Buffer.from(piece.subarray(-64));
    });
    await new Promise((resolve) => open.on('error', () => undefined).on('close', resolve));
    return { size, whole: open.complete, end: end.toString() };
  }

  const rowOf = ({ clientRequestId }: Asking): Promise<Record<string, unknown>> =>
    eventually(async () => {
      const sql = 'select outcome, status from ledger where client_request_id = $1';
      const [row] = await query<Record<string, unknown>>(database.url, sql, [clientRequestId]);
      if (row === undefined) throw new Error('It is not booked yet');
      return row;
    });

  /** The OpenAI one without its usage asked for, so that the relay looks for a chunk to hide as well. */
  const hiding = (one: Asking): Asking => ({
    ...one,
    body: one.body.replace(',"stream_options":{"include_usage":true}', ''),
  });
  const ways: readonly [string, (text: string) => Asking][] = [
    ['Claude', (text) => asking('Claude SSE', key, text)],
    ['Gemini', (text) => asking('Gemini SSE', key, text)],
    ['OpenAI', (text) => asking('OpenAI SSE', key, text)],
    ['OpenAI, usage hidden', (text) => hiding(asking('OpenAI SSE', key, text))],
  ];

  it.each(ways)(
    'is relayed, is unknown, and does not pile up: %s',
    async (_what, ask) => {
      // Code is compiled and heaps are grown before anything is weighed.
      await drained(ask('[[sim: large=16mb]]'));
      await drained(ask('[[sim: endless-line=16mb]]'));
      const before = await weigh();
      const most = { heap: 0, all: 0 };
      let weighing = true;
      const weighed = (async () => {
        while (weighing) {
          const { heap, all } = await weigh();
          most.heap = Math.max(most.heap, heap - before.heap);
          most.all = Math.max(most.all, all - before.all);
        }
      })();
      const one = ask(`[[sim: endless-line=${LINE_MIB}mb]]`);
      const answer = await drained(one);
      weighing = false;
      await weighed;
      process.stdout.write(
        `one line of ${LINE_MIB} MiB: heap ${before.heap.toFixed(0)} MiB before, +${most.heap.toFixed(0)} at most, ` +
          `+${most.all.toFixed(0)} with buffers\n`,
      );
      expect(answer.size).toBe(simulator.requests.at(-1)!.bytesSent);
      expect(answer.size).toBeGreaterThanOrEqual(LINE_MIB * MIB);
      // No end of the vendor's came, and inside a line nothing can be told.
      expect(answer.whole).toBe(false);
      expect(await rowOf(one)).toMatchObject({ outcome: 'unknown', status: 200 });
      expect(most.heap).toBeLessThanOrEqual(ALLOWED_MIB);
      expect(most.all).toBeLessThanOrEqual(WITH_BUFFERS_MIB);
      await eventually(() => expectQuiet(database.url));
    },
    120_000,
  );

  it('is given up in a translation, which would have to keep it, with a word to the client', async () => {
    const body = {
      model: 'gpt-4.1',
      max_tokens: 9,
      stream: true,
      messages: [{ role: 'user', content: `[[sim: endless-line=${LINE_MIB}mb]]` }],
    };
    const one = { ...asking('Claude SSE', key, ''), body: JSON.stringify(body) };
    const answer = await drained(one);
    expect(answer.size).toBeLessThan(1024);
    expect(answer.end).toMatch(/"\}\s*$/);
    expect(simulator.requests.at(-1)!.bytesSent).toBeLessThan(64 * MIB);
    expect(await rowOf(one)).toMatchObject({ outcome: 'unknown', status: 200 });
    await eventually(() => expectQuiet(database.url));
  }, 60_000);
});
