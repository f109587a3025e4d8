import pg from 'pg';
import type { DataSource, DataSourceOptions } from 'typeorm';
import { Foundation1763800000000 } from '../../migrations/1763800000000-foundation.ts';
import { Scheduling1763800001000 } from '../../migrations/1763800001000-scheduling.ts';
import { AccountSettings1763800002000 } from '../../migrations/1763800002000-account-settings.ts';
import { CallAttempts1763800003000 } from '../../migrations/1763800003000-call-attempts.ts';
import { Installation1763800006000 } from '../../migrations/1763800006000-installation.ts';
import { UsageRollups1763800006100 } from '../../migrations/1763800006100-usage-rollups.ts';
import { Proof1763800006200 } from '../../migrations/1763800006200-proof.ts';
import { AccountHealth1763800010000 } from '../../migrations/1763800010000-account-health.ts';
import { EgressProxies1763800020000 } from '../../migrations/1763800020000-egress-proxies.ts';
import { Limits1763801143600 } from '../../migrations/1763801143600-limits.ts';
import { Headroom1763801153100 } from '../../migrations/1763801153100-headroom.ts';
import { Probes1763801152000 } from '../../migrations/1763801152000-probes.ts';
import { LimitedAdmission1763801143700 } from '../../migrations/1763801143700-limited-admission.ts';
import { Corrections1763801152100 } from '../../migrations/1763801152100-corrections.ts';
import { ProofOfLimits1763801154500 } from '../../migrations/1763801154500-proof-of-limits.ts';
import { ReplicaHost1763801154800 } from '../../migrations/1763801154800-replica-host.ts';
import { Bindings1763801154900 } from '../../migrations/1763801154900-bindings.ts';
import { Decisions1763801154910 } from '../../migrations/1763801154910-decisions.ts';
import { ClientIds1763801182500 } from '../../migrations/1763801182500-client-ids.ts';
import { Charges1763801185800 } from '../../migrations/1763801185800-charges.ts';
import { ShortLists1763801212100 } from '../../migrations/1763801212100-short-lists.ts';
import { DurableRests1763801222000 } from '../../migrations/1763801222000-durable-rests.ts';
import { BindingsById1763801300450 } from '../../migrations/1763801300450-bindings-by-id.ts';
import { MixedPools1763801300460 } from '../../migrations/1763801300460-mixed-pools.ts';
import { LeanBindings1763801300470 } from '../../migrations/1763801300470-lean-bindings.ts';
import { EdgesOfMonths1763801300720 } from '../../migrations/1763801300720-edges-of-months.ts';
import { FewerExpressions1763801400000 } from '../../migrations/1763801400000-fewer-expressions.ts';
import { OneScan1763801400100 } from '../../migrations/1763801400100-one-scan.ts';
import { withSessionSettings } from './session-settings.ts';

/** Every migration, oldest first. Named one by one, so that a file left over in a build folder is never run. */
export const MIGRATIONS = [
  Foundation1763800000000,
  Scheduling1763800001000,
  AccountSettings1763800002000,
  CallAttempts1763800003000,
  Installation1763800006000,
  UsageRollups1763800006100,
  Proof1763800006200,
  AccountHealth1763800010000,
  EgressProxies1763800020000,
  Limits1763801143600,
  LimitedAdmission1763801143700,
  Probes1763801152000,
  Corrections1763801152100,
  Headroom1763801153100,
  ProofOfLimits1763801154500,
  ReplicaHost1763801154800,
  Bindings1763801154900,
  Decisions1763801154910,
  ClientIds1763801182500,
  Charges1763801185800,
  ShortLists1763801212100,
  DurableRests1763801222000,
  BindingsById1763801300450,
  MixedPools1763801300460,
  LeanBindings1763801300470,
  EdgesOfMonths1763801300720,
  FewerExpressions1763801400000,
  OneScan1763801400100,
];

/**
 * TypeORM's options for administration and reports; hot statements use `HotPool`. Entities are added by their own
 * modules (`TypeOrmModule.forFeature`).
 */
export function dataSourceOptions(url: string) {
  return {
    type: 'postgres',
    // TypeORM would look for it by itself: where the build is joined, for a second copy, whose pools are not ours.
    driver: pg,
    url: withSessionSettings(url, {
      application_name: 'llm-relay',
      statement_timeout: '30s',
      lock_timeout: '5s',
      idle_in_transaction_session_timeout: '10s',
    }),
    migrations: MIGRATIONS,
    migrationsTableName: 'migrations',
    poolSize: 10,
    extra: {
      connectionTimeoutMillis: 5_000,
      // A frozen server never fires its own statement_timeout.
      query_timeout: 31_000,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
    },
  } satisfies DataSourceOptions;
}

/**
 * TypeORM gives a connection back as good even when `query_timeout` ended the wait and the answer is still to come; the
 * next user would stand behind the frozen query. Such a connection is ended as it comes back.
 */
export function endStuckConnections(source: DataSource): void {
  const pool = (source.driver as unknown as { readonly master: unknown }).master;
  if (!(pool instanceof pg.Pool)) throw new Error('TypeORM has another pg than ours');
  pool.on('release', (_error: unknown, client: pg.PoolClient) => {
    const { readyForQuery } = client as unknown as { readonly readyForQuery: boolean };
    if (!readyForQuery) void client.end();
  });
}
