import { Module } from '@nestjs/common';
import { AccountsModule } from '../accounts/accounts.module.ts';
import { KeysModule } from '../keys/keys.module.ts';
import { RelayModule } from '../relay/relay.module.ts';
import { SchedulerModule } from '../scheduler/scheduler.module.ts';
import { Explanations } from './explanations.ts';
import { Overview } from './overview.ts';
import { SchedulerController } from './scheduler.controller.ts';

/** What the scheduler holds, and how it would choose, for administrators. */
@Module({
  imports: [AccountsModule, KeysModule, RelayModule, SchedulerModule],
  controllers: [SchedulerController],
  providers: [Explanations, Overview],
})
export class ExplainModule {}
