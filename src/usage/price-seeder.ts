import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type { Logger } from 'pino';
import { ConfigChanges } from '../database/config-changes.ts';
import { LOGGER } from '../telemetry/logger.ts';
import { additions, SEED_SOURCE, type SeedModel, seedPrices } from './price-seed.ts';
import { BY_ADMINISTRATOR, type NewPrice, PricesRepository, type StoredPrice } from './prices.repository.ts';

/** Another replica has applied this version; the transaction is given up with all it wrote. */
class AlreadySeeded extends Error {}

/** Applies the seed at boot, once for each of its versions, however many replicas boot together. */
@Injectable()
export class PriceSeeder implements OnModuleInit {
  constructor(
    private readonly prices: PricesRepository,
    private readonly changes: ConfigChanges,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  async onModuleInit(): Promise<void> {
    if (await this.prices.isSeeded(SEED_SOURCE)) return;
    try {
      await this.seed();
    } catch (error) {
      if (!(error instanceof AlreadySeeded)) throw error;
    }
  }

  private async seed(): Promise<void> {
    const seed = await seedPrices();
    const added = await this.changes.write<number>(
      {
        actor: 'relay',
        action: 'seed',
        resource: 'prices',
        resourceId: SEED_SOURCE,
        after: (rows: number) => ({ rows }),
      },
      async (tx, version) => {
        // The row of config_version is locked from here on: whoever comes second sees the mark.
        if (await this.prices.isSeeded(SEED_SOURCE, tx)) throw new AlreadySeeded();
        const rows = newRows(seed, await this.prices.writtenAbove(0n, tx), new Date());
        await this.prices.insert(tx, version, rows);
        await this.prices.markSeeded(tx, SEED_SOURCE);
        return rows.length;
      },
    );
    this.log.info({ source: SEED_SOURCE, rows: added }, 'prices seeded');
  }
}

function newRows(seed: readonly SeedModel[], stored: readonly StoredPrice[], now: Date): readonly NewPrice[] {
  const seeded = stored.filter((row) => row.source !== BY_ADMINISTRATOR);
  return seed.flatMap(({ kind, model, schedule }) => {
    const existing = seeded.filter((row) => row.kind === kind && row.model === model);
    return additions(schedule, existing, now).map((step) => ({ kind, model, ...step, source: SEED_SOURCE }));
  });
}
