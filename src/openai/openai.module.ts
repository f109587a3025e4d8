import { Module } from '@nestjs/common';
import { KeysModule } from '../keys/keys.module.ts';
import { RelayModule } from '../relay/relay.module.ts';
import { UpstreamRegistry } from '../upstream/upstream-registry.ts';
import { openaiCompatible } from './openai-compatible.upstream.ts';
import { OpenaiController } from './openai.controller.ts';
import { OpenaiService } from './openai.service.ts';

@Module({
  imports: [KeysModule, RelayModule],
  controllers: [OpenaiController],
  providers: [OpenaiService],
})
export class OpenaiModule {
  constructor(registry: UpstreamRegistry) {
    registry.register(openaiCompatible);
  }
}
