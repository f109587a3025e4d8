import { Module } from '@nestjs/common';
import { KeysModule } from '../keys/keys.module.ts';
import { RelayModule } from '../relay/relay.module.ts';
import { UpstreamRegistry } from '../upstream/upstream-registry.ts';
import { ClaudeController } from './claude.controller.ts';
import { ClaudeService } from './claude.service.ts';
import { ccr } from './ccr/ccr.upstream.ts';
import { claude } from './claude.upstream.ts';
import { claudeConsole } from './console/console.upstream.ts';

@Module({
  imports: [KeysModule, RelayModule],
  controllers: [ClaudeController],
  providers: [ClaudeService],
})
export class ClaudeModule {
  constructor(registry: UpstreamRegistry) {
    registry.register(claude);
    registry.register(claudeConsole);
    registry.register(ccr);
  }
}
