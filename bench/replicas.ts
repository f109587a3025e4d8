import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { generateKeyRingText } from '../src/accounts/sealing.ts';
import { startEmbeddedPostgres } from '../src/database/embedded-postgres.ts';
import { AdminApi, type Keys } from './admin-api.ts';
import { end, pidOf } from './child.ts';
import { postgresBelow } from './cpu.ts';
import { askOnce } from './driver.ts';
import { checkLedger } from './ledger-check.ts';
import { questionTo, runPhase, type Target } from './measure.ts';
import type { LoadPhase } from './phases.ts';
import { type Launched, launchRelay, newAdminToken, relayFolder } from './relay.ts';
import { number, type Table } from './report.ts';

const KNOWN_WITHIN_MS = 15_000;

/** Replicas on one Postgres. */
export interface Fleet {
  /** The first of them alone, the first two, and so on; what Postgres used is counted with each. */
  readonly targets: readonly Target[];
  /** Answers that were asked of it so far. */
  readonly asked: number;
  ledger(expected: number): Promise<Record<string, number>>;
  stop(): Promise<void>;
}

/** Postgres with the settings that the embedded one has under a relay of one process. */
export async function startFleet(
  count: number,
  ports: Readonly<Record<'upstream' | 'bedrock', number>>,
): Promise<Fleet> {
  const folder = await relayFolder();
  const ends: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })];
  const stop = async (): Promise<void> => {
    for (const one of ends.splice(0).reverse()) await one();
  };
  try {
    const postgres = await startEmbeddedPostgres({ dataDir: join(folder, 'data') });
    ends.push(() => postgres.stop());
    const token = newAdminToken();
    const database = { url: postgres.url, encryptionKeys: generateKeyRingText('bench'), token };
    const relays: Launched[] = [];
    while (relays.length < count) {
      const own = await relayFolder();
      ends.push(() => rm(own, { recursive: true, force: true }));
      const relay = await launchRelay(own, { database });
      ends.push(() => end(relay.child, 'SIGTERM'));
      relays.push(relay);
    }
    const [first] = relays;
    if (first === undefined) throw new Error('a fleet has a replica');
    const admin = new AdminApi(first.port, token);
    const keys = await admin.furnish(ports);
    for (const { port } of relays) await untilKnown(port, keys);
    return {
      targets: relays.map((_, index) =>
        targetOf(relays.slice(0, index + 1), postgresBelow(process.pid), keys),
      ),
      asked: relays.length,
      ledger: (expected) => admin.ledger(expected),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function targetOf(relays: readonly Launched[], postgres: number, keys: Keys): Target {
  const [first, ...others] = relays.map(({ child, port }) => ({ pid: pidOf(child), port }));
  if (first === undefined) throw new Error('a fleet has a replica');
  const name = relays.length === 1 ? '1 replica' : `${relays.length} replicas`;
  return { name, ...first, keys, beside: [...others, { pid: postgres }], processes: relays.length };
}

/** Replicas hear of a new key from one another; one answer says that this one has. */
async function untilKnown(port: number, keys: Keys): Promise<void> {
  const request = questionTo({ keys }, { wish: 'json' });
  for (const until = Date.now() + KNOWN_WITHIN_MS; Date.now() < until; await sleep(100)) {
    const { head } = await askOnce(port, request);
    if (head.startsWith('HTTP/1.1 200')) return;
  }
  throw new Error(`a replica did not hear of a key within ${KNOWN_WITHIN_MS / 1000} s`);
}

/**
 * How throughput and cost grow when more replicas share one Postgres and the same load. All of them run all the time, so
 * that rounds can be interleaved; those that are not asked only keep their place.
 * @throws Error when an answer has no row in the ledger
 */
export async function replicasOnOnePostgres(phase: LoadPhase, fleet: Fleet): Promise<Table> {
  const { targets } = fleet;
  const [one] = targets;
  if (one === undefined) throw new Error('a fleet has a replica');
  const { figures, answers } = await runPhase(phase, targets, one);
  const expected = [...answers.values()].reduce((sum, count) => sum + count, fleet.asked);
  await checkLedger(fleet, { completed: expected });
  const basis = figures.get(one.name);
  return {
    title: 'Replicas on one Postgres, the JSON of above shared out among them',
    head: [
      '',
      'requests/s',
      '× one',
      'server CPU µs/request',
      '× one',
      'Postgres CPU µs/request',
      '× one',
      'p99 ms',
    ],
    rows: [...figures].map(([name, found]) => [
      name,
      number(found.perSecond, 0),
      number(found.perSecond / (basis?.perSecond ?? NaN), 2),
      number(found.serverMicros, 0),
      number(found.ratio, 2),
      number(found.postgresMicros, 0),
      number(found.postgresMicros / (basis?.postgresMicros ?? NaN), 2),
      number(found.p99, 1),
    ]),
  };
}
