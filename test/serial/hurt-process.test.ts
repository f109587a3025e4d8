import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { asking, send } from '../support/asking.ts';
import { compareBooks } from '../support/books.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { Fleet } from '../support/fleet.ts';
import { query } from '../support/query.ts';
import { expectQuiet } from '../support/quiet.ts';
import { admin } from '../support/relay.ts';
import type { SpawnedRelay } from '../support/spawned-relay.ts';

const THROWING = fileURLToPath(new URL('../support/throwing-child.js', import.meta.url));
/** Of util-linux. */
const PRLIMIT = '/usr/bin/prlimit';
const DESCRIPTORS = 256;

/** Rows P6 and P7: what a process does about its own faults, and what it leaves when it dies of one. */
describe('a relay', () => {
  let database: TestDatabase;
  let simulator: Simulator;
  let fleet: Fleet;
  let key: string;

  beforeAll(async () => {
    [database, simulator] = await Promise.all([createDatabase(), startSimulator()]);
    fleet = new Fleet(database.url, {
      RELAY_HEARTBEAT_MS: '300',
      RELAY_EPOCH_TTL_MS: '1500',
      RELAY_SWEEP_MS: '100',
      RELAY_MAX_ATTEMPTS: '1',
    });
  });
  afterAll(async () => {
    await fleet.close();
    await simulator.close();
    await database.drop();
  });

  const stream = (relay: SpawnedRelay, directives: string) => {
    const one = asking('Claude SSE', key, 'MARKED');
    const body = one.body.replace('MARKED', `[[sim: ${directives} marker=${one.clientRequestId}]]`);
    return send(relay.url, { ...one, body });
  };
  const booked = async () => {
    await eventually(() => expectQuiet(database.url), 30_000);
    await eventually(async () => {
      const { lost, doubled, wrong } = await compareBooks(database.url, simulator);
      expect({ lost, doubled, wrong }).toEqual({ lost: 0, doubled: 0, wrong: 0 });
    }, 30_000);
  };

  describe('whose own code throws', () => {
    let relay: SpawnedRelay;
    let unlucky: string;

    beforeAll(async () => {
      relay = await fleet.start({}, THROWING);
      const account = async (kind: string) => {
        const credentials = { apiKey: `sk-ant-sim-${kind}` };
        const models = { allow: ['claude-*'] };
        const wish = { name: kind, kind, baseUrl: simulator.url, credentials, models };
        return (await fleet.create<{ id: string }>('accounts', wish)).id;
      };
      const keyFor = async (id: string) => {
        const wish = { name: 'hurt', scopes: ['claude'], models: ['*'], accounts: [id] };
        return (await fleet.create<{ key: string }>('keys', wish)).key;
      };
      key = await keyFor(await account('claude'));
      unlucky = await keyFor(await account('throwing'));
    }, 60_000);

    const ask = (model: string, directives = '') => {
      const one = asking('Claude JSON', unlucky, `[[sim: ${directives}]]`);
      const body = one.body.replace(/"model":"[^"]*"/, `"model":"${model}"`);
      return send(relay.url, { ...one, body });
    };

    it('P6: answers that one call with 500, whatever threw or rejected, and harms no other', async () => {
      const open = stream(relay, 'deltas=30 every=100');
      await eventually(() => expect(simulator.inFlight()).toBe(1));
      const hurt = await Promise.all([
        ask('claude-address'),
        ask('claude-envelope'),
        ask('claude-sign'),
        ask('claude-sign-later'),
        ask('claude-sonnet-5', 'status=529'),
        ask('claude-sonnet-5'),
      ]);
      expect(hurt.map(({ status }) => status)).toEqual([500, 500, 500, 500, 500, 500]);
      for (const { text } of hurt) {
        expect(JSON.parse(text)).toMatchObject({ type: 'error', error: { type: 'api_error' } });
        expect(text).not.toContain('on purpose');
      }
      await query(database.url, 'alter table audit_log rename to audit_log_gone');
      try {
        const wish = { name: 'no', scopes: ['claude'], models: ['*'] };
        expect((await admin(relay.url, 'POST', '/keys', wish)).status).toBe(500);
      } finally {
        await query(database.url, 'alter table audit_log_gone rename to audit_log');
      }
      expect(await fleet.create('keys', { name: 'yes', scopes: ['claude'], models: ['*'] })).toBeTruthy();
      expect((await stream(relay, 'deltas=2')).text).toContain('message_stop');
      expect((await open).text).toContain('message_stop');
      await booked();
    }, 90_000);

    it('P6: is ended by an error that no request owns, and another settles what it had', async () => {
      const open = stream(relay, 'deltas=100 every=50');
      await eventually(() => expect(simulator.inFlight()).toBe(1));
      relay.tell('reject');
      expect(await relay.ended).toBe(1);
      expect(relay.err).toContain('a stray rejection');
      expect((await open).broken).toBe(true);
      await fleet.kill();
      relay = await fleet.start({ NODE_OPTIONS: '--max-old-space-size=128' }, THROWING);
      await booked();
    }, 90_000);

    it('P7: dies at once when it runs out of heap, and another settles what it had', async () => {
      const open = Array.from({ length: 20 }, () => stream(relay, 'deltas=1000 every=50'));
      await eventually(() => expect(simulator.inFlight()).toBe(20));
      relay.tell('fill');
      expect(await relay.ended).not.toBe(0);
      expect(relay.err).toContain('heap out of memory');
      expect((await Promise.all(open)).filter(({ broken }) => !broken)).toEqual([]);
      await fleet.kill();
      relay = await fleet.start();
      await booked();
    }, 90_000);

    const canLimit = existsSync(PRLIMIT) ? it : it.skip;
    canLimit(
      `P7: lives on without a descriptor left of ${DESCRIPTORS}, and accepts as soon as there is one`,
      async () => {
        // Not before its start: the loader of modules alone opens more files at once.
        execFileSync(PRLIMIT, [`--pid=${relay.pid}`, `--nofile=${DESCRIPTORS}`]);
        const open = stream(relay, 'deltas=40 every=100');
        await eventually(() => expect(simulator.inFlight()).toBe(1));
        const { hostname, port } = new URL(relay.url);
        const idle: Socket[] = [];
        const crowd = (sockets: number): void => {
          for (let more = 0; more < sockets; more += 1)
            idle.push(connect(Number(port), hostname).on('error', () => undefined));
        };
        crowd(2 * DESCRIPTORS);
        // A relay that started just now still closes a file or a connection; nobody else is to find that place.
        const crowding = setInterval(() => crowd(4), 10).unref();
        await eventually(() => expect(descriptorsOf(relay.pid)).toBe(DESCRIPTORS));
        await sleep(100);
        const late = stream(relay, 'deltas=2').catch(() => ({ status: 0 }));
        await Promise.race([late, sleep(500)]);
        clearInterval(crowding);
        for (const socket of idle) socket.destroy();
        expect((await late).status).not.toBe(200);
        await eventually(async () => expect((await stream(relay, 'deltas=2')).status).toBe(200));
        expect((await open).text).toContain('message_stop');
        await booked();
      },
      90_000,
    );
  });
});

const descriptorsOf = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;
