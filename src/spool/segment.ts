import type { SpoolFiles } from './spool-files.ts';

export interface SyncPace {
  /** Written is soon on the disk: after so long, or so many records. */
  readonly syncMs: number;
  readonly syncRecords: number;
}

/**
 * One file of a folder, only appended to.
 *
 * States: open (written → on the disk soon after, one sync at a time) → left (its last sync runs, then it is closed).
 */
export class Segment {
  size = 0;
  /** Keys whose last record is here; counted by the folder. */
  pins = 0;
  private readonly file: number;
  private unsynced = 0;
  private timer: NodeJS.Timeout | undefined;
  private syncing: Promise<void> | undefined;
  private left = false;

  /** @throws Error of the disk */
  constructor(
    readonly path: string,
    private readonly files: SpoolFiles,
    private readonly pace: SyncPace,
    /** A sync failed: what was written lately may not be on the disk. */
    private readonly failed: (segment: Segment, error: unknown) => void,
  ) {
    this.file = files.create(path);
  }

  /** With the kernel when it returns. @throws Error of the disk; the segment is to be left then */
  append(bytes: Buffer, length: number, records: number): void {
    const taken = this.files.write(this.file, bytes, length);
    if (taken !== length) throw new Error('The disk took only a part of a record');
    this.size += length;
    this.unsynced += records;
    this.syncSoon();
  }

  /** Nothing more is written; what a failed write left is cut off where that can be. */
  async leave(): Promise<void> {
    if (this.left) return;
    this.left = true;
    clearTimeout(this.timer);
    try {
      this.files.truncate(this.file, this.size);
    } catch {
      // A replay finds it: a torn record, or whole ones of calls that are settled otherwise as well.
    }
    await this.flush();
    this.files.close(this.file);
  }

  /** Resolves when all that was written is on the disk, or the disk has failed. */
  async flush(): Promise<void> {
    while (this.syncing !== undefined || this.unsynced > 0) await this.sync();
  }

  private syncSoon(): void {
    if (this.syncing !== undefined) return;
    if (this.unsynced >= this.pace.syncRecords) void this.sync();
    else this.timer ??= setTimeout(() => void this.sync(), this.pace.syncMs).unref();
  }

  private sync(): Promise<void> {
    if (this.syncing !== undefined) return this.syncing;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.unsynced = 0;
    this.syncing = this.files
      .sync(this.file)
      .catch((error: unknown) => this.failed(this, error))
      .finally(() => {
        this.syncing = undefined;
        if (this.unsynced > 0) this.syncSoon();
      });
    return this.syncing;
  }
}
