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

describe('a place among the workers', () => {
  const folder = mkdtempSync(join(tmpdir(), 'llm-relay-slot-'));
  const script = join(folder, 'mute.cjs');
  writeFileSync(script, MUTE);
  const env = readEnv({});
  let slot: Slot;
  afterEach(() => {
    slot.kill();
    return slot.close();
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  /** @returns what is heard of it, each once it happens */
  const start = (cwd: string) => {
    cluster.setupPrimary({ exec: script, args: [], execArgv: [], cwd, serialization: 'advanced' });
    const died = deferred<string>();
    const serves = deferred<void>();
    const able = deferred<void>();
    const events: SlotEvents = {
      serving: () => serves.resolve(),
      changed: () => able.resolve(),
      scrape: () => undefined,
      died: (_, reason) => died.resolve(reason),
    };
    slot = new Slot(1, env, events);
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
});

function deferred<Value>() {
  let resolve: (value: Value) => void = () => undefined;
  const promise = new Promise<Value>((onResolve) => (resolve = onResolve));
  return { promise, resolve };
}
