import { Global, Module } from '@nestjs/common';
import { HealthController } from './health.controller.ts';
import { MetricsController } from './metrics.controller.ts';
import { MetricsGuard } from './metrics.guard.ts';
import { MetricsServer } from './metrics-server.ts';
import { Readiness } from './readiness.ts';
import { Scrape } from './scrape.ts';

/** Global for {@link Readiness}: shutdown sets it, other rooms register their checks; and for {@link Scrape}. */
@Global()
@Module({
  controllers: [HealthController, MetricsController],
  providers: [Readiness, Scrape, MetricsGuard, MetricsServer],
  exports: [Readiness, Scrape],
})
export class HealthModule {}
