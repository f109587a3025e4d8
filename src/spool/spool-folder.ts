import { join } from 'node:path';
import { MOST_RECORD_BYTES, writeRecord } from './record.ts';
import { Segment, type SyncPace } from './segment.ts';
import type { SpoolFiles } from './spool-files.ts';

/** The version of the format is in the name. */
export const SEGMENT_SUFFIX = '.spool1';
/** Between a key and its text. */
export const KEY_END = '\n';

export interface SpoolLimits extends SyncPace {
  /** Of all segments together; beyond it nothing is taken. */
  readonly mostBytes: number;
  readonly segmentBytes: number;
  /** How soon a disk that failed is tried again. */
  readonly retryMs: number;
}

export const SPOOL_LIMITS: SpoolLimits = {
  mostBytes: 64 * 1024 * 1024,
  segmentBytes: 4 * 1024 * 1024,
  syncMs: 50,
  syncRecords: 64,
  retryMs: 5_000,
};

/** As many records as fit are one write. */
const MOST_WRITE_BYTES = 4 * MOST_RECORD_BYTES;

export interface SpoolRecord {
  readonly key: string;
  readonly text: string;
}

interface Sized {
  readonly record: SpoolRecord;
  /** In the segment. */
  readonly size: number;
}

/** `writing`, or why not: no room is left under the bound, or the disk failed a moment ago. */
export type SpoolState = 'writing' | 'full' | 'broken';

interface Kept {
  /** Empty once it is kept no more, for what V8 has left behind of the map holds it longer (docs/decisions/015). */
  text: string;
  readonly size: number;
  readonly segment: Segment;
}

/**
 * What one life of one process must not forget, by key, in segments that are only appended to. The last record of a key
 * counts; it stays until the key is done. A record is with the kernel when `append` answers, which survives the death of
 * the process, and on the disk soon after, which survives a loss of power.
 *
 * States: writing ↔ full; writing → broken (the disk failed; tried again after a while in a new segment) → writing;
 * any → closed. A segment goes once no key has its last record in it. Making the folder is the lock: only one can.
 */
export class SpoolFolder {
  private readonly kept = new Map<string, Kept>();
  private readonly segments = new Set<Segment>();
  private readonly scratch = Buffer.alloc(MOST_WRITE_BYTES);
  private current: Segment | undefined;
  private made = 0;
  private bytes = 0;
  private keptBytes = 0;
  private isFull = false;
  private brokenUntil = -Infinity;
  /** Segments that are being closed or removed. */
  private readonly leaving = new Set<Promise<void>>();

  /** @throws Error when the folder is there already, or cannot be made */
  constructor(
    readonly path: string,
    private readonly files: SpoolFiles,
    private readonly limits: SpoolLimits,
    private readonly failed: (error: unknown) => void,
    private readonly now: () => number = () => performance.now(),
  ) {
    files.makeFolder(path);
  }

  get state(): SpoolState {
    if (this.now() < this.brokenUntil) return 'broken';
    return this.isFull ? 'full' : 'writing';
  }

  /** Bytes of its segments. */
  get size(): number {
    return this.bytes;
  }

  /** Every key is done. */
  get isEmpty(): boolean {
    return this.kept.size === 0;
  }

  holds(key: string): boolean {
    return this.kept.has(key);
  }

  /** What was last written of each key that is not done. */
  *texts(): Generator<[key: string, text: string]> {
    for (const [key, { text }] of this.kept) yield [key, text];
  }

  /** False: it could not be written, and what stood there of the key before still does. */
  append(key: string, text: string): boolean {
    return this.appendAll([{ key, text }]).length === 0;
  }

  /** In order, in as few writes as can be; answers those that could not be written: all of a write or none. */
  appendAll(records: readonly SpoolRecord[]): SpoolRecord[] {
    const left: SpoolRecord[] = [];
    let together: Sized[] = [];
    let bytes = 0;
    const write = (): void => {
      if (bytes > 0 && !this.write(together, bytes)) left.push(...together.map(({ record }) => record));
      together = [];
      bytes = 0;
    };
    for (const record of records) {
      if (bytes + MOST_RECORD_BYTES > MOST_WRITE_BYTES) write();
      const size = writeRecord(this.scratch, bytes, record.key + KEY_END + record.text);
      if (size === 0) left.push(record);
      else together.push({ record, size });
      bytes += size;
    }
    write();
    return left;
  }

  /** The key needs no record any more. */
  done(key: string): void {
    this.release(key);
    this.kept.delete(key);
  }

  /** When most of what is on the disk is of keys that are done, the rest is written anew so that segments can go. */
  tidy(): void {
    if (this.bytes < this.limits.mostBytes / 2 || this.keptBytes > this.bytes / 2) return;
    for (const [key, { text, segment }] of [...this.kept]) {
      if (segment !== this.current && !this.append(key, text)) return;
    }
  }

  /** Resolves when all that was taken is on the disk, and what is done has gone from it. */
  async flush(): Promise<void> {
    await this.current?.flush();
    await Promise.all(this.leaving);
  }

  /** Takes nothing more. The folder goes when no key is left; else it waits for a replay. */
  async close(): Promise<void> {
    this.brokenUntil = Infinity;
    this.leaveSegment();
    await this.flush();
    if (this.kept.size > 0) return;
    // Whoever took the folder over meanwhile has renamed it.
    await this.files.removeFolder(this.path).catch(() => undefined);
  }

  /** Of the scratch. */
  private write(records: readonly Sized[], bytes: number): boolean {
    if (this.now() < this.brokenUntil) return false;
    const segment = this.roomFor(bytes);
    if (segment === undefined) return false;
    try {
      segment.append(this.scratch, bytes, records.length);
    } catch (error) {
      this.broke(error);
      return false;
    }
    this.bytes += bytes;
    this.keptBytes += bytes;
    segment.pins += records.length;
    for (const { record, size } of records) {
      this.release(record.key);
      this.kept.set(record.key, { text: record.text, size, segment });
    }
    return true;
  }

  private roomFor(size: number): Segment | undefined {
    if (this.bytes + size > this.limits.mostBytes && this.current?.pins === 0) this.leaveSegment();
    this.isFull = this.bytes + size > this.limits.mostBytes;
    if (this.isFull) return undefined;
    if (this.current !== undefined && this.current.size + size <= this.limits.segmentBytes)
      return this.current;
    return this.newSegment();
  }

  private newSegment(): Segment | undefined {
    this.leaveSegment();
    this.made += 1;
    const path = join(this.path, `${String(this.made).padStart(8, '0')}${SEGMENT_SUFFIX}`);
    try {
      const segment = new Segment(path, this.files, this.limits, (which, error) => {
        if (which === this.current) this.broke(error);
        else this.failed(error);
      });
      this.segments.add(segment);
      this.current = segment;
      this.files.syncFolder(this.path).catch(() => undefined);
      return segment;
    } catch (error) {
      this.broke(error);
      return undefined;
    }
  }

  private broke(error: unknown): void {
    this.brokenUntil = Math.max(this.brokenUntil, this.now() + this.limits.retryMs);
    this.leaveSegment();
    this.failed(error);
  }

  private leaveSegment(): void {
    const segment = this.current;
    this.current = undefined;
    if (segment === undefined) return;
    this.follow(segment.leave());
    this.drop(segment);
  }

  private release(key: string): void {
    const kept = this.kept.get(key);
    if (kept === undefined) return;
    this.keptBytes -= kept.size;
    kept.segment.pins -= 1;
    kept.text = '';
    this.drop(kept.segment);
  }

  private drop(segment: Segment): void {
    if (segment.pins > 0 || segment === this.current || !this.segments.delete(segment)) return;
    this.bytes -= segment.size;
    this.follow(this.files.remove(segment.path));
  }

  private follow(work: Promise<void>): void {
    const followed = work
      .catch((error: unknown) => this.failed(error))
      .finally(() => this.leaving.delete(followed));
    this.leaving.add(followed);
  }
}
