import type { Queryable } from '../database/statement.ts';
import {
  findFolders,
  type FoundFolder,
  readFolder,
  removeFolder,
  setAside,
  takeFolder,
} from '../spool/found-folder.ts';
import type { Settlement } from './settlement.ts';
import { settlementOfText } from './settlement-text.ts';
import { livingEpochs } from './sql/epochs.ts';

/** As many are settled before the next ones are read into memory as settlements. */
const AT_ONCE = 256;

export interface Replayed {
  readonly folder: string;
  readonly settlements: number;
  /** Places that held no sound record, and records that are no settlement. */
  readonly bad: number;
}

/**
 * Settles what dead replicas left in their folders. An epoch that is closed, dead or unknown to the database writes
 * nothing more that counts; whoever renames its folder first replays it, and if that one dies too, the next.
 */
export class Replays {
  constructor(
    private readonly db: Queryable,
    private readonly settle: (settlement: Settlement) => Promise<void>,
    private readonly told: (replayed: Replayed) => void,
  ) {}

  /** @throws DatabaseUnavailable, or an error of the disk; what was begun is gone on with at the next run */
  async run(root: string, own: string): Promise<void> {
    const folders = (await findFolders(root)).filter(({ name }) => name !== own);
    if (folders.length === 0) return;
    const living = await livingEpochs(
      this.db,
      folders.map(({ holder }) => holder),
    );
    for (const folder of folders) {
      if (folder.holder === own || !living.has(folder.holder)) await this.replay(root, folder, own);
    }
  }

  private async replay(root: string, found: FoundFolder, own: string): Promise<void> {
    const folder = await takeFolder(root, found, own);
    if (folder === undefined) return;
    const { texts, bad } = await readFolder(root, folder);
    let [settlements, unreadable] = [0, 0];
    const batch: Promise<void>[] = [];
    for (const [id, text] of texts) {
      const settlement = settlementOfText(text);
      if (settlement === undefined) {
        unreadable += 1;
        await setAside(root, `${folder}-${id.replace('/', '-')}`, Buffer.from(text));
        continue;
      }
      settlements += 1;
      batch.push(this.settle(settlement));
      if (batch.length === AT_ONCE) await Promise.allSettled(batch.splice(0));
    }
    await Promise.allSettled(batch);
    await removeFolder(root, folder);
    this.told({ folder, settlements, bad: bad + unreadable });
  }
}
