import { Module } from '@nestjs/common';
import { KeysModule } from '../keys/keys.module.ts';
import { RelayModule } from '../relay/relay.module.ts';
import { UpstreamRegistry } from '../upstream/upstream-registry.ts';
import { GeminiController } from './gemini.controller.ts';
import { GeminiService } from './gemini.service.ts';
import { gemini } from './gemini.upstream.ts';

@Module({
  imports: [KeysModule, RelayModule],
  controllers: [GeminiController],
  providers: [GeminiService],
})
export class GeminiModule {
  constructor(registry: UpstreamRegistry) {
    registry.register(gemini);
  }
}
