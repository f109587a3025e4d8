import { Module } from '@nestjs/common';
import { AccountsModule } from '../accounts/accounts.module.ts';
import { KeysModule } from '../keys/keys.module.ts';
import { SchedulerModule } from '../scheduler/scheduler.module.ts';
import { UsageModule } from '../usage/usage.module.ts';
import { AccountHealth } from './account-health.ts';
import { Assigner } from './assigner.ts';
import { Attempt } from './attempt.ts';
import { CandidateMemo } from './candidate-memo.ts';
import { Drains } from './drains.ts';
import { Failover } from './failover.ts';
import { HeadroomWatch } from './headroom-watch.ts';
import { Holds } from './holds.ts';
import { Intake } from './intake.ts';
import { Journal } from './journal.ts';
import { LastBytes } from './last-bytes.ts';
import { ModelCatalog } from './model-catalog.ts';
import { OpenRuns } from './open-runs.ts';
import { Pipeline } from './pipeline.ts';
import { RequestBodies } from './request-body.ts';
import { Responder } from './responder.ts';
import { UpstreamCall } from './upstream-call.ts';

@Module({
  imports: [AccountsModule, KeysModule, SchedulerModule, UsageModule],
  providers: [
    AccountHealth,
    Assigner,
    Attempt,
    CandidateMemo,
    Drains,
    Failover,
    HeadroomWatch,
    Holds,
    Intake,
    Journal,
    LastBytes,
    ModelCatalog,
    OpenRuns,
    Pipeline,
    RequestBodies,
    Responder,
    UpstreamCall,
  ],
  exports: [Holds, Intake, ModelCatalog, OpenRuns, Pipeline, RequestBodies, Responder],
})
export class RelayModule {}
