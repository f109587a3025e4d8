import type { Queryable } from '../database/statement.ts';
import type { Grace } from './grace.ts';
import { coolAccount, type Cooled, type Cooling } from './sql/cooldowns.ts';
import { markLean } from './sql/lean.ts';
import { giveBackProbe, proveAccount } from './sql/probes.ts';
import type { WaitingRoom } from './waiting-room.ts';

/** What attempts found out about their accounts, written down: whom admission passes over, and who is back. */
export class Rests {
  constructor(
    private readonly hot: Queryable,
    private readonly grace: Pick<Grace, 'cool'>,
    private readonly room: Pick<WaitingRoom, 'released'>,
  ) {}

  /** @see coolAccount */
  async cool(cooling: Cooling): Promise<Cooled> {
    const { accountId, modelFamily } = cooling;
    try {
      const cooled = await coolAccount(this.hot, cooling);
      if (cooled.forMs !== undefined) this.grace.cool({ accountId, modelFamily, forMs: cooled.forMs });
      return cooled;
    } catch (error) {
      // How much of a pool may rest, only the database knows.
      if (cooling.pool === undefined) this.grace.cool(cooling);
      throw error;
    }
  }

  /** @see markLean */
  lean(accountId: string, modelFamily: string, forMs: number): Promise<void> {
    return markLean(this.hot, accountId, modelFamily, forMs);
  }

  /** A probe succeeded: whoever waits for its account comes in. */
  async prove(accountId: string, modelFamily: string): Promise<void> {
    await proveAccount(this.hot, accountId, modelFamily);
    this.room.released(accountId);
  }

  /** A probe is over that proved nothing. */
  async giveBackProbe(accountId: string, modelFamily: string): Promise<void> {
    await giveBackProbe(this.hot, accountId, modelFamily);
    this.room.released(accountId);
  }
}
