import { Global, Module } from '@nestjs/common';
import { ENV } from '../config/config.module.ts';
import type { Env } from '../config/env.ts';
import { createLogger, LOGGER } from './logger.ts';
import { Metrics } from './metrics.ts';

@Global()
@Module({
  providers: [
    {
      provide: LOGGER,
      useFactory: (env: Env) => createLogger(env.logLevel, undefined, env.worker),
      inject: [ENV],
    },
    Metrics,
  ],
  exports: [LOGGER, Metrics],
})
export class TelemetryModule {}
