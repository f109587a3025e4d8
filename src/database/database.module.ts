import { Global, Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import type { Logger } from 'pino';
import { DataSource } from 'typeorm';
import { ENV } from '../config/config.module.ts';
import type { Env } from '../config/env.ts';
import { LOGGER } from '../telemetry/logger.ts';
import { Metrics } from '../telemetry/metrics.ts';
import { ConfigChanges } from './config-changes.ts';
import { ConfigWatch } from './config-watch.ts';
import { dataSourceOptions, endStuckConnections } from './data-source.ts';
import { HOT_POOL, HotPool, type HotPoolOptions, LEDGER_POOL, PROOF_POOL } from './hot-pool.ts';

const HOT_CONNECTIONS = 3;
const LEDGER_CONNECTIONS = 2;
const PROOF_MS = 60_000;

function urlOf(env: Env): string {
  if (env.databaseUrl === undefined)
    throw new Error('No database: the embedded one is started before the relay');
  return env.databaseUrl;
}

function makePool(name: string, options: Pick<HotPoolOptions, 'max' | 'synchronousCommit' | 'statementMs'>) {
  return (env: Env, log: Logger): HotPool =>
    new HotPool({
      url: urlOf(env),
      name: `llm-relay ${name}`,
      ...options,
      onError: (error) => log.warn({ err: error, pool: name }, 'a database connection was lost'),
    });
}

@Global()
@Module({
  imports: [
    TypeOrmModule.forRootAsync({
      useFactory: (env: Env, log: Logger) => ({
        ...dataSourceOptions(urlOf(env)),
        autoLoadEntities: true,
        retryAttempts: 3,
        retryDelay: 1_000,
        poolErrorHandler: (error: unknown) =>
          log.warn({ err: error, pool: 'admin' }, 'a database connection was lost'),
      }),
      inject: [ENV, LOGGER],
    }),
  ],
  providers: [
    {
      provide: HOT_POOL,
      useFactory: makePool('hot', { max: HOT_CONNECTIONS, synchronousCommit: 'off' }),
      inject: [ENV, LOGGER],
    },
    {
      provide: PROOF_POOL,
      useFactory: makePool('proof', { max: 1, synchronousCommit: 'on', statementMs: PROOF_MS }),
      inject: [ENV, LOGGER],
    },
    {
      provide: LEDGER_POOL,
      useFactory: makePool('ledger', { max: LEDGER_CONNECTIONS, synchronousCommit: 'on' }),
      inject: [ENV, LOGGER],
    },
    ConfigChanges,
    ConfigWatch,
  ],
  exports: [TypeOrmModule, HOT_POOL, LEDGER_POOL, PROOF_POOL, ConfigChanges, ConfigWatch],
})
export class DatabaseModule implements OnApplicationShutdown {
  constructor(
    @Inject(HOT_POOL) private readonly hot: HotPool,
    @Inject(LEDGER_POOL) private readonly ledger: HotPool,
    @Inject(PROOF_POOL) private readonly proof: HotPool,
    source: DataSource,
    metrics: Metrics,
  ) {
    metrics.watchPool('hot', () => hot.stats());
    metrics.watchPool('ledger', () => ledger.stats());
    metrics.watchPool('proof', () => proof.stats());
    endStuckConnections(source);
  }

  /** Last of all hooks: what the rooms still had to write was written before. */
  async onApplicationShutdown(): Promise<void> {
    await Promise.all([this.hot.close(), this.ledger.close(), this.proof.close()]);
  }
}
