import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NO_USAGE } from '../dialects/dialect.ts';
import { readFolder } from '../spool/found-folder.ts';
import { SPOOL_FILES } from '../spool/spool-files.ts';
import type { Settlement } from './settlement.ts';
import { settlementOfText } from './settlement-text.ts';
import { Spooling } from './spooling.ts';

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
  const found = async (folder: string): Promise<Record<string, string>> => {
    const { texts } = await readFolder(join(dir, 'here'), folder);
    return Object.fromEntries(
      [...texts].map(([id, text]) => {
        const read = settlementOfText(text);
        return [id, `${read?.outcome} ${read?.usage.outputTokens}`];
      }),
    );
  };
  const folders = (): Promise<string[]> => readdir(join(dir, 'here'));

  it('keeps what stood in the one before, is told as broken, and moves it once it can', async () => {
    spooling.begin(() => attempt('runs', 7));
    spooling.seen('runs/1');
    spooling.end(attempt('over', 5));
    spooling.end(attempt('settled', 5));
    refuses = true;
    spooling.use('second', 'here');
    expect([spooling.state, failures.length]).toEqual(['broken', 1]);
    spooling.begin(() => attempt('late', 0));
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
    spooling.begin(() => attempt('runs', tokens));
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
