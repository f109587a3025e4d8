import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readFolder } from './found-folder.ts';
import { SPOOL_FILES, type SpoolFiles } from './spool-files.ts';
import { SPOOL_LIMITS, SpoolFolder, type SpoolLimits } from './spool-folder.ts';

const LIMITS: SpoolLimits = {
  ...SPOOL_LIMITS,
  mostBytes: 4_000,
  segmentBytes: 1_000,
  syncMs: 5,
  retryMs: 100,
};

/** A disk whose next writes or syncs fail. */
class FailingDisk {
  fails: string | undefined;
  syncs = 0;
  writes = 0;
  /** Bytes of a record that get through before the failure. */
  takes = 0;

  readonly files: SpoolFiles = {
    ...SPOOL_FILES,
    create: (path) => {
      if (this.fails === 'EROFS') this.fail();
      return SPOOL_FILES.create(path);
    },
    write: (file, bytes, length) => {
      this.writes += 1;
      if (this.fails === 'ENOSPC') return SPOOL_FILES.write(file, bytes, Math.min(this.takes, length));
      if (this.fails === 'EIO') this.fail();
      return SPOOL_FILES.write(file, bytes, length);
    },
    sync: async (file) => {
      this.syncs += 1;
      if (this.fails === 'EIO on sync') this.fail();
      await SPOOL_FILES.sync(file);
    },
  };

  private fail(): never {
    throw Object.assign(new Error(this.fails), { code: this.fails });
  }
}

describe('a folder of the spool', () => {
  let root: string;
  let disk: FailingDisk;
  let now: number;
  let failures: unknown[];
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'relay-spool-'));
    disk = new FailingDisk();
    now = 0;
    failures = [];
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const open = (limits = LIMITS): SpoolFolder =>
    new SpoolFolder(
      join(root, 'one'),
      disk.files,
      limits,
      (error) => failures.push(error),
      () => now,
    );
  const segments = (): string[] => readdirSync(join(root, 'one')).sort();
  const onDisk = async () => Object.fromEntries((await readFolder(root, 'one')).texts);
  const text = (length: number): string => 'x'.repeat(length);

  it('keeps the last text of each key', async () => {
    const folder = open();
    folder.append('a', 'open');
    folder.append('b', 'open');
    folder.append('a', 'final');
    expect(await onDisk()).toEqual({ a: 'final', b: 'open' });
    await folder.close();
  });

  it('takes many in few writes, in their order', async () => {
    const folder = open({ ...LIMITS, mostBytes: 1_000_000, segmentBytes: 100_000 });
    const records = Array.from({ length: 200 }, (_, at) => ({
      key: `key ${at % 150}`,
      text: text(700 + at),
    }));
    expect(folder.appendAll(records)).toEqual([]);
    expect(disk.writes).toBeLessThan(6);
    expect(await onDisk()).toEqual(Object.fromEntries(records.map(({ key, text }) => [key, text])));
    await folder.flush();
    expect(segments().length).toBeGreaterThan(1);
    for (const { key } of records) folder.done(key);
    await folder.close();
    expect(readdirSync(root)).toEqual([]);
  });

  it('takes those beside one that is too long', async () => {
    const folder = open();
    const long = { key: 'long', text: text(20_000) };
    expect(folder.appendAll([{ key: 'a', text: 'before' }, long, { key: 'b', text: 'behind' }])).toEqual([
      long,
    ]);
    expect(await onDisk()).toEqual({ a: 'before', b: 'behind' });
    await folder.close();
  });

  it('D12: takes all that are one write or none, and tells which were not', async () => {
    const folder = open({ ...LIMITS, mostBytes: 1_000_000, segmentBytes: 500_000 });
    folder.append('a', 'before');
    const records = Array.from({ length: 100 }, (_, at) => ({
      key: at === 0 ? 'a' : `key ${at}`,
      text: text(900),
    }));
    disk.fails = 'ENOSPC';
    disk.takes = 10_000;
    expect(folder.appendAll(records)).toEqual(records);
    expect([folder.state, failures.length]).toEqual(['broken', 1]);
    await folder.flush();
    expect(await readFolder(root, 'one')).toEqual({ texts: new Map([['a', 'before']]), bad: 0 });
    disk.fails = undefined;
    now = LIMITS.retryMs;
    expect(folder.appendAll(records)).toEqual([]);
    expect(await onDisk()).toMatchObject({ a: text(900), 'key 99': text(900) });
    await folder.close();
  });

  it('P10: is refused to a second one while it is there', async () => {
    const first = open();
    expect(open).toThrow(/EEXIST/);
    first.append('a', 'still writing');
    expect(await onDisk()).toEqual({ a: 'still writing' });
    await first.close();
  });

  it('is gone once everything is done, and stays while anything is not', async () => {
    const folder = open();
    folder.append('a', 'one');
    folder.done('a');
    await folder.close();
    expect(readdirSync(root)).toEqual([]);

    const other = open();
    other.append('a', 'one');
    await other.close();
    expect(await onDisk()).toEqual({ a: 'one' });
  });

  it('lets go of a segment as soon as nothing in it counts', async () => {
    const folder = open();
    for (let turn = 0; turn < 50; turn += 1) {
      folder.append(`key ${turn}`, text(300));
      if (turn > 0) folder.done(`key ${turn - 1}`);
    }
    await folder.flush();
    expect(segments().length).toBeLessThanOrEqual(2);
    expect(folder.size).toBeLessThan(2_000);
    expect(await onDisk()).toMatchObject({ 'key 49': text(300) });
    await folder.close();
  });

  it('D12: takes nothing beyond its bound, and goes on when there is room', async () => {
    const folder = open();
    let taken = 0;
    while (folder.append(`key ${taken}`, text(300))) taken += 1;
    expect(folder.state).toBe('full');
    expect(folder.size).toBeLessThanOrEqual(LIMITS.mostBytes);
    expect(taken).toBeGreaterThan(8);
    for (let key = 0; key < taken; key += 1) folder.done(`key ${key}`);
    expect(folder.append('more', text(300))).toBe(true);
    expect(folder.state).toBe('writing');
    await folder.close();
  });

  it('writes what counts anew when it is little in much', async () => {
    const folder = open();
    folder.append('long', 'running');
    for (let turn = 0; turn < 12; turn += 1) {
      folder.append(`key ${turn}`, text(300));
      folder.append(`beside ${turn}`, 'short');
      folder.done(`key ${turn}`);
    }
    const before = folder.size;
    folder.tidy();
    await folder.flush();
    expect(folder.size).toBeLessThan(before / 2);
    expect(await onDisk()).toMatchObject({ long: 'running', 'beside 0': 'short', 'beside 11': 'short' });
    await folder.close();
  });

  it.each(['ENOSPC', 'EIO', 'EROFS'])(
    'D12: says so when the disk fails with %s, keeps what it had, and tries again later',
    async (code) => {
      const folder = open();
      folder.append('a', 'before');
      disk.fails = code;
      disk.takes = 7;
      expect(folder.append('a', text(990))).toBe(false);
      expect([folder.state, failures.length]).toEqual(['broken', 1]);
      expect(folder.append('b', 'not tried')).toBe(false);
      expect(failures).toHaveLength(1);
      await folder.flush();
      disk.fails = undefined;
      now = LIMITS.retryMs;
      expect(folder.append('b', 'after')).toBe(true);
      expect(folder.state).toBe('writing');
      await folder.flush();
      expect(await readFolder(root, 'one')).toEqual({
        texts: new Map([
          ['a', 'before'],
          ['b', 'after'],
        ]),
        bad: 0,
      });
      await folder.close();
    },
  );

  it('D12: is broken when a sync fails', async () => {
    const folder = open();
    disk.fails = 'EIO on sync';
    folder.append('a', 'text');
    await folder.flush();
    expect(folder.state).toBe('broken');
    expect(failures.length).toBeGreaterThan(0);
    disk.fails = undefined;
    await folder.close();
  });

  it('syncs after so many records, and soon after the last one', async () => {
    const folder = open({ ...LIMITS, segmentBytes: 4_000, syncRecords: 4, syncMs: 10 });
    for (let turn = 0; turn < 4; turn += 1) folder.append('a', `${turn}`);
    expect(disk.syncs).toBe(1);
    folder.append('a', 'last');
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(disk.syncs).toBe(2);
    await folder.close();
  });
});
