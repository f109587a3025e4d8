import { jest } from '@jest/globals';
import { pino } from 'pino';
import type { Queryable } from '../database/statement.ts';
import type { Bindings } from './bindings.ts';
import type { SchedulerSettings } from './clocks.ts';
import { Maintenance } from './maintenance.ts';
import type { Replays } from './replays.ts';
import type { Replica } from './replica.ts';
import type { Spooling } from './spooling.ts';
import type { Strays } from './strays.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

describe('maintenance', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  it('drops the months that are over soon after the start, and then once a day', async () => {
    const asked: string[] = [];
    const db: Queryable = {
      run: ({ name }) => {
        asked.push(name);
        return Promise.resolve([]);
      },
    };
    const nothing = (): Promise<void> => Promise.resolve();
    const settings = { heartbeatMs: DAY_MS, sweepMs: DAY_MS, ledgerKeepMonths: 3 } as SchedulerSettings;
    const maintenance = new Maintenance(
      db,
      db,
      { beat: nothing, current: () => undefined, isSteady: () => false } as unknown as Replica,
      { release: nothing } as unknown as Strays,
      { tend: () => undefined } as unknown as Spooling,
      { tend: nothing } as unknown as Bindings,
      {} as Replays,
      settings,
      pino({ level: 'silent' }),
      { repaired: () => undefined, oldestTransaction: () => undefined },
    );
    const drops = (): number => asked.filter((name) => name === 'drop-ledger-partitions').length;
    await maintenance.start();
    expect([asked, drops()]).toEqual([['ensure-ledger-partitions'], 0]);
    await jest.advanceTimersByTimeAsync(2 * MINUTE_MS);
    expect(drops()).toBe(1);
    await jest.advanceTimersByTimeAsync(DAY_MS);
    expect(drops()).toBe(2);
    maintenance.stop();
  });
});
