import { Module } from '@nestjs/common';
import { KeysModule } from '../keys/keys.module.ts';
import { SchedulerModule } from '../scheduler/scheduler.module.ts';
import { LedgerController } from './ledger.controller.ts';
import { LedgerRepository } from './ledger.repository.ts';
import { MeController } from './me.controller.ts';
import { PriceBook } from './price-book.ts';
import { PriceSeeder } from './price-seeder.ts';
import { PricesController } from './prices.controller.ts';
import { PricesRepository } from './prices.repository.ts';
import { PricesService } from './prices.service.ts';
import { Repricing } from './repricing.ts';
import { RequestsController } from './requests.controller.ts';
import { UnpricedRepository } from './unpriced.repository.ts';
import { UsageController } from './usage.controller.ts';
import { UsageFolding } from './usage-folding.ts';
import { UsageReport } from './usage-report.ts';
import { UsageSumsRepository } from './usage-sums.repository.ts';

/** Prices, and what people ask of the ledger. */
@Module({
  imports: [KeysModule, SchedulerModule],
  controllers: [UsageController, RequestsController, LedgerController, PricesController, MeController],
  providers: [
    PricesRepository,
    PriceSeeder,
    PriceBook,
    PricesService,
    LedgerRepository,
    UnpricedRepository,
    Repricing,
    UsageReport,
    UsageSumsRepository,
    UsageFolding,
  ],
  exports: [PriceBook],
})
export class UsageModule {}
