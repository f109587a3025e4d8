import { type DynamicModule, Module } from '@nestjs/common';
import { AccessModule } from './access/access.module.ts';
import { AccountsModule } from './accounts/accounts.module.ts';
import { AdminModule } from './admin/admin.module.ts';
import { BedrockModule } from './bedrock/bedrock.module.ts';
import { ClaudeModule } from './claude/claude.module.ts';
import { ConfigModule } from './config/config.module.ts';
import type { Env } from './config/env.ts';
import { DatabaseModule } from './database/database.module.ts';
import { ExplainModule } from './explain/explain.module.ts';
import { GeminiModule } from './gemini/gemini.module.ts';
import { HealthModule } from './health/health.module.ts';
import { KeysModule } from './keys/keys.module.ts';
import { OpenaiModule } from './openai/openai.module.ts';
import { RelayModule } from './relay/relay.module.ts';
import { RootModule } from './root/root.module.ts';
import { SchedulerModule } from './scheduler/scheduler.module.ts';
import { TelemetryModule } from './telemetry/telemetry.module.ts';
import { UpstreamModule } from './upstream/upstream.module.ts';
import { UsageModule } from './usage/usage.module.ts';

/** The only list of modules. A new kind of upstream is one folder and one line here. */
@Module({})
export class AppModule {
  static with(env: Env): DynamicModule {
    return {
      module: AppModule,
      imports: [
        ConfigModule.with(env),
        TelemetryModule,
        DatabaseModule,
        AccessModule,
        UpstreamModule,
        // Routes are tried in this order: those with the most requests stand first.
        ClaudeModule,
        OpenaiModule,
        GeminiModule,
        BedrockModule,
        AdminModule,
        KeysModule,
        AccountsModule,
        SchedulerModule,
        UsageModule,
        RelayModule,
        ExplainModule,
        HealthModule,
        RootModule,
      ],
    };
  }
}
