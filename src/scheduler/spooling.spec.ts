import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NO_USAGE } from '../dialects/dialect.ts';
import { readFolder } from '../spool/found-folder.ts';
import { SPOOL_FILES } from '../spool/spool-files.ts';
import type { Settlement } from './settlement.ts';
import { settlementOfText } from './settlement-text.ts';
import { Spooling } from './spooling.ts';

const attempt = (requestId: string, outputTokens: number, outcome: Settlement['outcome'] = 'completed') =>
  ({
    requestId,
    attempt: 1,
    final: true,
    outcome,
    reason: null,
    estimated: false,
    usage: { ...NO_USAGE, outputTokens },
    teams: [],
    admittedAt: new Date(0),
    costNanos: null,
    chargedNanos: null,
    decision: null,
  }) as unknown as Settlement;

/** What a replay would find: id → outcome and output tokens. */
const foundIn = async (dir: string, folder: string): Promise<Record<string, string>> => {
  const { texts } = await readFolder(join(dir, 'here'), folder);
  return Object.fromEntries(
    [...texts].map(([id, text]) => {
      const read = settlementOfText(text);
      return [id, `${read?.outcome} ${read?.usage.outputTokens}`];
    }),
  );
};

describe('a spool whose next folder cannot be made', () => {
  let dir: string;
  let refuses: boolean;
  let failures: unknown[];
  let spooling: Spooling;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'llm-relay-spooling-'));
    [refuses, failures] = [false, []];
    const files = {
      ...SPOOL_FILES,
      makeFolder: (path: string): void => {
        if (refuses) throw Object.assign(new Error('read-only'), { code: 'EROFS' });
        SPOOL_FILES.makeFolder(path);
      },
    };
    const events = {
      record: () => undefined,
      state: () => undefined,
      failed: (error: unknown) => failures.push(error),
    };
    spooling = new Spooling({ spoolDir: dir, spoolMaxBytes: 1_000_000 }, events, files);
    spooling.use('first', 'here');
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  const found = (folder: string): Promise<Record<string, string>> => foundIn(dir, folder);
  const folders = (): Promise<string[]> => readdir(join(dir, 'here'));

  it('keeps what stood in the one before, is told as broken, and moves it once it can', async () => {
    await spooling.begin(() => attempt('runs', 7));
    spooling.seen('runs/1');
    spooling.end(attempt('over', 5));
    spooling.end(attempt('settled', 5));
    refuses = true;
    spooling.use('second', 'here');
    expect([spooling.state, failures.length]).toEqual(['broken', 1]);
    await spooling.begin(() => attempt('late', 0));
    spooling.settled(attempt('settled', 5));
    expect(await found('first')).toMatchObject({ 'runs/1': 'partial 7', 'over/1': 'completed 5' });

    spooling.tend();
    expect(spooling.state).toBe('broken');
    refuses = false;
    spooling.tend();
    expect(spooling.state).toBe('writing');
    expect(await found('second')).toEqual({
      'runs/1': 'partial 7',
      'over/1': 'completed 5',
      'late/1': 'orphaned 0',
    });
    for (const id of ['runs', 'over', 'late']) spooling.settled(attempt(id, 9));
    await spooling.close();
    expect(await folders()).toEqual([]);
  });

  it('writes what is newest over more than one epoch, and leaves nothing of what was settled', async () => {
    let tokens = 1;
    await spooling.begin(() => attempt('runs', tokens));
    spooling.seen('runs/1');
    refuses = true;
    spooling.use('second', 'here');
    spooling.use('third', 'here');
    tokens = 3;
    refuses = false;
    spooling.tend();
    expect(await found('third')).toEqual({ 'runs/1': 'partial 3' });
    spooling.end(attempt('runs', 4));
    expect(await found('third')).toEqual({ 'runs/1': 'completed 4' });
    spooling.settled(attempt('runs', 4));
    await spooling.close();
    expect(await folders()).toEqual([]);
  });

  it('leaves it for a replay where the process ends before it can', async () => {
    spooling.end(attempt('over', 5));
    refuses = true;
    spooling.use('second', 'here');
    await spooling.close();
    expect(await found('first')).toEqual({ 'over/1': 'completed 5' });
  });
});

describe('records of a spool', () => {
  let dir: string;
  let writes: number;
  let now: number;
  let spooling: Spooling;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'llm-relay-spooling-'));
    [writes, now] = [0, 0];
    const files = {
      ...SPOOL_FILES,
      write: (file: number, bytes: Buffer, length: number): number => {
        writes += 1;
        return SPOOL_FILES.write(file, bytes, length);
      },
    };
    const events = { record: () => undefined, state: () => undefined, failed: () => undefined };
    const settings = { spoolDir: dir, spoolMaxBytes: 1_000_000 };
    spooling = new Spooling(settings, events, files, undefined, () => now);
    spooling.use('epoch', 'here');
  });
  afterEach(async () => {
    await spooling.close();
    await rm(dir, { recursive: true, force: true });
  });

  const ids = (count: number): string[] => Array.from({ length: count }, (_, at) => `call ${at}`);
  const begin = (id: string): Promise<void> | undefined => spooling.begin(() => attempt(id, 0));
  const begun = async (id: string): Promise<void> => begin(id);

  it('are written at once where they come one by one', async () => {
    for (const id of ids(3)) {
      now += 5;
      expect(begin(id)).toBeUndefined();
      spooling.end(attempt(id, 3));
    }
    expect(writes).toBe(6);
    expect(await foundIn(dir, 'epoch')).toEqual(
      Object.fromEntries(ids(3).map((id) => [`${id}/1`, 'completed 3'])),
    );
  });

  it('are one write for all that begin together, and nobody goes on before it', async () => {
    expect(begin('first')).toBeUndefined();
    const others = ids(60).map(async (id) => {
      await begin(id);
      return writes;
    });
    expect(writes).toBe(1);
    expect(new Set(await Promise.all(others))).toEqual(new Set([2]));
    expect(Object.keys(await foundIn(dir, 'epoch'))).toHaveLength(61);
  });

  it('keep their order where one that began in a crowd ends at once', async () => {
    const all = ids(3).map(begun);
    spooling.end(attempt('call 2', 4));
    await Promise.all(all);
    expect(await foundIn(dir, 'epoch')).toMatchObject({
      'call 1/1': 'orphaned 0',
      'call 2/1': 'completed 4',
    });
  });

  it('stay over a change of the epoch and are written before the end', async () => {
    const all = ids(2).map(begun);
    spooling.use('next', 'here');
    expect(Object.keys(await foundIn(dir, 'next'))).toEqual(['call 0/1', 'call 1/1']);
    all.push(begun('third'));
    await spooling.close();
    expect(Object.keys(await foundIn(dir, 'next'))).toEqual(['call 0/1', 'call 1/1', 'third/1']);
    await Promise.all(all);
  });
});
