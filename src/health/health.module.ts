import { Global, Module } from '@nestjs/common';
import { HealthController } from './health.controller.ts';
import { MetricsController } from './metrics.controller.ts';
import { MetricsGuard } from './metrics.guard.ts';
import { MetricsServer } from './metrics-server.ts';
import { Readiness } from './readiness.ts';

/** Global for {@link Readiness}: shutdown sets it, other rooms register their checks. */
@Global()
@Module({
  controllers: [HealthController, MetricsController],
  providers: [Readiness, MetricsGuard, MetricsServer],
  exports: [Readiness],
})
export class HealthModule {}
