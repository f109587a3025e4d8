import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, symlinkSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/database/embedded-postgres.ts';
import { asking, send } from '../support/asking.ts';
import { compareBooks } from '../support/books.ts';
import { eventually } from '../support/eventually.ts';
import { query } from '../support/query.ts';
import { expectQuiet, unsettled } from '../support/quiet.ts';
import { Rehearsal } from '../support/relay.ts';
import { TcpGate } from '../support/tcp-gate.ts';

/** What the copy misses. */
const MISSED_MS = 500;
const HEARTBEAT_MS = 300;

/** Row D9: a standby takes over that had not heard of the primary's last moments, told by a copy of the data folder. */
describe('a relay whose Postgres is replaced by one that misses its last half second', () => {
  const folder = mkdtempSync(join(tmpdir(), 'relay-copy-'));
  const [primary, copy] = [join(folder, 'primary'), join(folder, 'copy')];
  const gate = new TcpGate(() => ({ host: '127.0.0.1', port: Number(new URL(postgres.url).port) }));
  let postgres: EmbeddedPostgres;
  let rehearsal: Rehearsal;
  let key: string;

  const startOn = (dataDir: string) => startEmbeddedPostgres({ dataDir, fsync: false });

  beforeAll(async () => {
    postgres = await startOn(primary);
    await gate.open();
    const through = new URL(postgres.url);
    through.port = String(gate.port);
    rehearsal = await Rehearsal.start({
      DATABASE_URL: through.href,
      RELAY_HEARTBEAT_MS: String(HEARTBEAT_MS),
      RELAY_EPOCH_TTL_MS: '60000',
    });
    await rehearsal.claudeAccount({ maxConcurrency: 100 });
    const limits = { concurrency: 100, budgets: [{ period: 'day', usd: '1000' }] };
    key = (await rehearsal.key({ limits })).key;
  }, 60_000);
  afterAll(async () => {
    await rehearsal.close();
    await gate.shut();
    await postgres.stop();
    const real = realpathSync(join(primary, 'postgres'));
    for (const place of [real, `${real}-copy`]) await rm(place, { recursive: true, force: true });
    await rm(folder, { recursive: true, force: true });
  });

  /** The stopped one, with its owner; where root starts it, its folder is only a link. */
  const copyCluster = (): void => {
    const real = realpathSync(join(primary, 'postgres'));
    execFileSync('cp', ['-a', real, `${real}-copy`]);
    mkdirSync(copy, { recursive: true });
    symlinkSync(`${real}-copy`, join(copy, 'postgres'));
  };
  const stream = (deltas: number) => {
    const one = asking('Claude SSE', key, 'MARKED');
    const body = one.body.replace(
      'MARKED',
      `[[sim: deltas=${deltas} every=100 marker=${one.clientRequestId}]]`,
    );
    return send(rehearsal.url, { ...one, body });
  };
  const open = (count: number, deltas: number) => Array.from({ length: count }, () => stream(deltas));
  const inFlight = (count: number) => eventually(() => expect(rehearsal.simulator.inFlight()).toBe(count));

  it('D9: settles all calls of before, of the half second and of after, and holds nothing', async () => {
    // Half of them end before the copy takes over, so that it has them open for ever, if nobody tells it.
    const before = [...open(5, 20), ...open(5, 150)];
    await inFlight(10);
    await gate.shut();
    await postgres.stop();
    copyCluster();
    postgres = await startOn(primary);
    await gate.open();
    await Promise.all(before.slice(0, 5));
    await eventually(async () => expect(await query(postgres.url, 'select from ledger')).toHaveLength(5));
    // These the copy knows nothing of: neither of those that are over, nor of those that go on.
    const short = await Promise.all(open(5, 1));
    const long = open(5, 40);
    await inFlight(10);
    await sleep(MISSED_MS);
    await eventually(async () => expect(await query(postgres.url, 'select from ledger')).toHaveLength(10));
    await gate.shut();
    await postgres.stop();
    postgres = await startOn(copy);
    // A takeover takes longer than a heartbeat, so that the relay knows of it.
    await sleep(4 * HEARTBEAT_MS);
    expect(await query(postgres.url, 'select from ledger')).toEqual([]);
    expect(await query(postgres.url, 'select from open_calls')).toHaveLength(10);
    await gate.open();
    const told = [...short, ...(await Promise.all([...before, ...long]))];
    expect(told.filter(({ text }) => !text.includes('message_stop'))).toEqual([]);
    await eventually(async () => expect((await stream(1)).status).toBe(200));
    expect(await unsettled(postgres.url)).toEqual([]);
    await eventually(() => expectQuiet(postgres.url), 20_000);
    await eventually(async () => {
      const { seen, answeredWhole, ...books } = await compareBooks(postgres.url, rehearsal.simulator);
      process.stdout.write(
        `a copy took over: ${seen} calls, ${answeredWhole} whole; ${JSON.stringify(books)}\n`,
      );
      expect(books).toEqual({ rows: seen, partial: 0, orphaned: 0, lost: 0, doubled: 0, wrong: 0 });
    }, 20_000);
  }, 90_000);
});
