import cluster from 'node:cluster';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readEnv } from '../config/env.ts';
import { Slot, type SlotEvents } from './slot.ts';

/** Serves, and says nothing more. */
const MUTE = `
  process.on('message', ({ act }) => {
    if (act === 'begin') process.send({ act: 'serving', url: '' });
    if (act === 'measure') process.send({ act: 'able', able: true });
  });
  process.send({ act: 'hello' });
`;

/** Says hello when its parent has asked it to leave already, and leaves with code 1 if it had to boot before. */
const LATE = `
  let booted = false;
  process.on('message', ({ act }) => {
    if (act === 'begin') booted = true;
    if (act === 'leave') setTimeout(() => process.exit(booted ? 1 : 0), 100);
  });
  setTimeout(() => process.send({ act: 'hello' }), 200);
`;

describe('a place among the workers', () => {
  const folder = mkdtempSync(join(tmpdir(), 'llm-relay-slot-'));
  const script = join(folder, 'mute.cjs');
  writeFileSync(script, MUTE);
  const late = join(folder, 'late.cjs');
  writeFileSync(late, LATE);
  const env = readEnv({});
  let slot: Slot;
  afterEach(() => {
    slot.kill();
    return slot.close();
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  /** @returns what is heard of it, each once it happens */
  const start = (cwd: string, exec = script, its = env) => {
    cluster.setupPrimary({ exec, args: [], execArgv: [], cwd, serialization: 'advanced' });
    const died = deferred<string>();
    const serves = deferred<void>();
    const able = deferred<void>();
    const events: SlotEvents = {
      serving: () => serves.resolve(),
      changed: () => able.resolve(),
      scrape: () => undefined,
      died: (_, reason) => died.resolve(reason),
    };
    slot = new Slot(1, its, events);
    slot.start();
    return { died: died.promise, serves: serves.promise, able: able.promise };
  };

  it('tells of a process that cannot be made, and tries again after a pause', async () => {
    const { died } = start(join(folder, 'nowhere'));
    expect(await died).toMatch('ENOENT');
    expect([slot.state, slot.deaths]).toEqual(['gone', 1]);
    await slot.close();
    expect(slot.state).toBe('closed');
  });

  it('ends one that serves and is silent for thirty looks in a row', async () => {
    const { died, serves, able } = start(folder);
    await serves;
    for (let look = 1; look < 30; look += 1) slot.look();
    slot.tell({ act: 'measure', id: 1 });
    await able;
    for (let look = 1; look < 30; look += 1) slot.look();
    expect(slot.state).toBe('serving');
    slot.look();
    expect(await died).toBe('it said nothing for 30 s');
  });

  it('asks one that has not begun to boot to leave at once', async () => {
    const { died } = start(folder, late);
    const reason = Promise.race([died, slot.close().then(() => 'left')]);
    expect(await reason).toBe('left');
    expect(slot.state).toBe('closed');
  });

  it('ends one that is silent while it drains', async () => {
    const { died, serves } = start(folder);
    await serves;
    const closed = slot.close();
    for (let look = 1; look <= 30; look += 1) slot.look();
    await closed;
    expect(await died).toBe('it said nothing for 30 s');
    expect(slot.state).toBe('closed');
  });

  it('ends one that goes on long after the time for its drain', async () => {
    const { died, serves, able } = start(folder, script, { ...env, drainAcceptSeconds: 5, drainSeconds: 10 });
    await serves;
    const closed = slot.close();
    for (let look = 1; look <= 29; look += 1) slot.look();
    slot.tell({ act: 'measure', id: 1 });
    await able;
    for (let look = 30; look <= 44; look += 1) slot.look();
    expect(slot.state).toBe('closing');
    slot.look();
    await closed;
    expect(await died).toBe('it did not leave in time');
  });
});

function deferred<Value>() {
  let resolve: (value: Value) => void = () => undefined;
  const promise = new Promise<Value>((onResolve) => (resolve = onResolve));
  return { promise, resolve };
}
