import { join } from 'node:path';
import { SPOOL_FILES, type SpoolFiles } from '../spool/spool-files.ts';
import {
  SPOOL_LIMITS,
  SpoolFolder,
  type SpoolLimits,
  type SpoolRecord,
  type SpoolState,
} from '../spool/spool-folder.ts';
import { idOfSettlement, type Settlement } from './settlement.ts';
import { type Stage, textOfSettlement } from './settlement-text.ts';

/** The reason of a row that a replay made of a checkpoint. */
export const REPLICA_LOST = 'replica-lost';

/** An attempt that begins so soon behind another one was admitted in a crowd. */
const CROWD_MS = 1;

/** How an attempt ended whose process died before anything was seen of its answer, and after. */
const OPENED: Stage = { final: true, outcome: 'orphaned', reason: null, estimated: true };
const SEEN: Stage = { final: true, outcome: 'partial', reason: REPLICA_LOST, estimated: true };

export interface SpoolEvents {
  /** A record was written, or could not be. */
  record(written: boolean): void;
  state(state: SpoolState | 'off', bytes: number): void;
  failed(error: unknown): void;
}

export interface SpoolSettings {
  /** Undefined: no spool; what a killed process had not settled is charged by its open rows. */
  readonly spoolDir: string | undefined;
  readonly spoolMaxBytes: number;
}

/** An attempt that runs: what it would be settled with now. */
interface Running {
  /** Undefined once it has ended: what V8 has left behind of the map holds it longer (docs/decisions/015). */
  snapshot: (() => Settlement) | undefined;
  /** Of the last record. */
  seen: number;
}

/**
 * What this process would still have to settle, kept on its own disk beside the database: each attempt when it begins,
 * at its first usage and every few seconds after, and its settlement until the ledger has it. Each record is a whole
 * settlement, so that a replay needs only the last one of an attempt.
 *
 * States: off | waiting for an epoch → writing to the folder of that epoch ↔ not writing (full, or the disk fails) →
 * closed. With a new epoch everything moves into a new folder; the old one may be replayed by others meanwhile. What
 * they booked of an attempt that had not ended, the true settlement corrects. Where the new one cannot be made, the old
 * one keeps what it holds until it can, and what ends meanwhile is settled without the spool.
 */
export class Spooling {
  private readonly running = new Map<string, Running>();
  private folder: SpoolFolder | undefined;
  /** Of earlier epochs, the latest first: they hold what could not be moved yet. */
  private before: SpoolFolder[] = [];
  /** First records of a crowd, to be one write. */
  private gathered: SpoolRecord[] = [];
  private entering: Promise<void> | undefined;
  private begunAt = -Infinity;
  private place: { readonly root: string; readonly epoch: string } | undefined;
  private readonly limits: SpoolLimits;

  constructor(
    private readonly settings: SpoolSettings,
    private readonly events: SpoolEvents,
    private readonly files: SpoolFiles = SPOOL_FILES,
    limits: SpoolLimits = SPOOL_LIMITS,
    private readonly now: () => number = () => performance.now(),
  ) {
    const mostBytes = settings.spoolMaxBytes;
    this.limits = { ...limits, mostBytes, segmentBytes: Math.min(limits.segmentBytes, mostBytes / 4) };
  }

  get state(): SpoolState | 'off' {
    if (this.settings.spoolDir === undefined) return 'off';
    if (this.place === undefined) return 'writing';
    return this.folder?.state ?? 'broken';
  }

  /** Where the folders of this installation's epochs are; undefined: no spool, or no epoch yet. */
  get root(): string | undefined {
    return this.place?.root;
  }

  /** From now on under this epoch. Each installation has its own folders: what one left is nothing to another. */
  use(epoch: string, installation: string): void {
    const { spoolDir } = this.settings;
    if (spoolDir === undefined) return;
    this.writeGathered();
    this.place = { root: join(spoolDir, installation), epoch };
    if (this.folder !== undefined) this.before.unshift(this.folder);
    this.folder = undefined;
    this.enter();
  }

  /** Before anything goes upstream; what it answers is to be awaited. Attempts that were admitted together are one write. */
  begin(snapshot: () => Settlement): Promise<void> | undefined {
    if (this.settings.spoolDir === undefined) return undefined;
    const first = snapshot();
    const id = idOfSettlement(first);
    this.running.set(id, { snapshot, seen: 0 });
    const now = this.now();
    const isAlone = now - this.begunAt > CROWD_MS;
    this.begunAt = now;
    if (isAlone) {
      this.write(id, first, OPENED);
      return undefined;
    }
    this.gathered.push({ key: id, text: textOfSettlement(first, OPENED) });
    this.entering ??= new Promise((resolve) => {
      // Behind all who were answered by the same statement, and before the loop goes on.
      process.nextTick(() => {
        this.entering = undefined;
        this.writeGathered();
        resolve();
      });
    });
    return this.entering;
  }

  /** The attempt has usage to show for the first time. */
  seen(id: string): void {
    const running = this.running.get(id);
    if (running?.seen === 0) this.checkpoint(id, running);
  }

  /** Before the settlement is sent to the database. */
  end(settlement: Settlement): void {
    if (this.settings.spoolDir === undefined) return;
    const id = idOfSettlement(settlement);
    const running = this.running.get(id);
    if (running !== undefined) running.snapshot = undefined;
    this.running.delete(id);
    this.write(id, settlement);
  }

  /** The ledger has it. */
  settled(settlement: Settlement): void {
    const id = idOfSettlement(settlement);
    this.folder?.done(id);
    for (const folder of this.before) folder.done(id);
  }

  /** Every few seconds. */
  tend(): void {
    if (this.folder === undefined) this.enter();
    else this.moveIn(this.folder);
    for (const [id, running] of this.running) this.checkpoint(id, running);
    this.folder?.tidy();
    this.events.state(this.state, this.folder?.size ?? 0);
  }

  /** What could not be moved stays where it is, for a replay. */
  async close(): Promise<void> {
    this.writeGathered();
    await Promise.all([this.folder?.close(), ...this.before.map((folder) => folder.close())]);
  }

  /** Into a folder of this epoch: with what earlier ones hold, and what runs and stands in none. */
  private enter(): void {
    this.folder = this.open();
    if (this.folder === undefined) return;
    this.moveIn(this.folder);
    for (const [id, { snapshot, seen }] of this.running) {
      if (snapshot !== undefined && !this.folder.holds(id))
        this.write(id, snapshot(), seen === 0 ? OPENED : SEEN);
    }
  }

  private moveIn(folder: SpoolFolder): void {
    this.before = this.before.filter((old) => {
      for (const [id, text] of [...old.texts()]) {
        if (folder.append(id, text)) for (const each of this.before) each.done(id);
      }
      if (old.isEmpty) void old.close();
      return !old.isEmpty;
    });
  }

  private open(): SpoolFolder | undefined {
    if (this.place === undefined) return undefined;
    const { root, epoch } = this.place;
    try {
      return new SpoolFolder(join(root, epoch), this.files, this.limits, (error) =>
        this.events.failed(error),
      );
    } catch (error) {
      this.events.failed(error);
      return undefined;
    }
  }

  private checkpoint(id: string, running: Running): void {
    const now = running.snapshot?.();
    if (now === undefined) return;
    const seen = seenIn(now);
    if (seen === running.seen) return;
    running.seen = seen;
    this.write(id, now, SEEN);
  }

  private write(id: string, settlement: Settlement, stage?: Stage): void {
    // The last record of an attempt counts.
    this.writeGathered();
    this.append([{ key: id, text: textOfSettlement(settlement, stage) }]);
  }

  private writeGathered(): void {
    if (this.gathered.length > 0) this.append(this.gathered.splice(0));
  }

  private append(records: readonly SpoolRecord[]): void {
    const left = this.folder?.appendAll(records) ?? records;
    for (const record of records) {
      const written = !left.includes(record);
      if (written) for (const folder of this.before) folder.done(record.key);
      this.events.record(written);
    }
  }
}

function seenIn({ usage }: Settlement): number {
  return (
    usage.inputTokens +
    usage.cacheReadTokens +
    usage.cacheWrite5mTokens +
    usage.cacheWrite1hTokens +
    usage.outputTokens
  );
}
