import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { v7 } from 'uuid';
import { NO_USAGE } from '../src/dialects/dialect.ts';
import { idOfSettlement, type Settlement } from '../src/scheduler/settlement.ts';
import { Spooling } from '../src/scheduler/spooling.ts';

/**
 * What the spool costs a request: its beginning, its first usage, its end and its being settled, on the disk of the
 * temporary folder (TMPDIR), syncs included. CPU of the whole process, kernel time too, against the same loop without a
 * spool. `npm run bench` does not run it: `tsc -p tsconfig.bench.json && node dist/bench/spool.js`.
 */
const RATES = [100, 1_000, Infinity] as const;
const SECONDS = 5;

function settlementOf(outputTokens: number): Settlement {
  const id = v7();
  return {
    requestId: id,
    attempt: 1,
    final: true,
    epoch: id,
    keyId: id,
    teams: [],
    accountId: id,
    lane: 'generate',
    door: 'claude',
    kind: 'claude',
    model: 'claude-sonnet-4-5',
    upstreamModel: 'claude-sonnet-4-5-20250929',
    stream: true,
    admittedAt: new Date(),
    outcome: 'completed',
    status: 200,
    reason: null,
    usage: { ...NO_USAGE, inputTokens: 1_234, cacheReadTokens: 20_000, outputTokens },
    estimated: false,
    suspicious: false,
    costNanos: 123_456_789n,
    priceId: '42',
    chargedNanos: null,
    firstByteMs: 512,
    durationMs: 6_789,
    upstreamRequestId: 'req_011CSHoEeqs5C35K2UUqR7Fy',
    clientRequestId: null,
    decision: { affinity: { source: 'claude-code', result: 'hit' } },
  };
}

/** CPU µs of one request. */
async function measure(rate: number, spoolDir: string | undefined): Promise<number> {
  let failures = 0;
  const spooling = new Spooling(
    { spoolDir, spoolMaxBytes: 64 * 1024 * 1024 },
    {
      record: (written) => void (written || (failures += 1)),
      state: () => undefined,
      failed: () => undefined,
    },
  );
  spooling.use(v7(), 'bench');
  const perTick = rate === Infinity ? 500 : rate / 100;
  let done = 0;
  const began = process.cpuUsage();
  const until = performance.now() + SECONDS * 1_000;
  const running: Settlement[] = [];
  while (performance.now() < until) {
    for (let turn = 0; turn < perTick; turn += 1) {
      const made = settlementOf(done % 1_000);
      let usage = NO_USAGE;
      void spooling.begin(() => ({ ...made, usage }));
      usage = made.usage;
      spooling.seen(idOfSettlement(made));
      spooling.end(made);
      running.push(made);
      done += 1;
    }
    // About what is on its way to the database.
    while (running.length > perTick * 3) spooling.settled(running.shift() as Settlement);
    await (rate === Infinity ? new Promise(setImmediate) : sleep(10));
  }
  const { user, system } = process.cpuUsage(began);
  await spooling.close();
  if (spoolDir !== undefined && failures > 0) throw new Error(`${failures} records were not written`);
  return (user + system) / done;
}

const folder = mkdtempSync(join(tmpdir(), 'relay-bench-spool-'));
try {
  await measure(Infinity, folder);
  for (const rate of RATES) {
    const [without, spooled] = [await measure(rate, undefined), await measure(rate, folder)];
    const name = rate === Infinity ? 'as fast as can be' : `${rate}/s`;
    console.log(`${name}: ${(spooled - without).toFixed(1)} µs CPU a request (three records)`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
