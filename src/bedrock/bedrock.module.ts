import { Module } from '@nestjs/common';
import { KeysModule } from '../keys/keys.module.ts';
import { RelayModule } from '../relay/relay.module.ts';
import { UpstreamRegistry } from '../upstream/upstream-registry.ts';
import { AwsIdentities } from './aws-identities.ts';
import { BedrockController } from './bedrock.controller.ts';
import { BedrockService } from './bedrock.service.ts';
import { bedrockUpstream } from './bedrock.upstream.ts';

@Module({
  imports: [KeysModule, RelayModule],
  controllers: [BedrockController],
  providers: [AwsIdentities, BedrockService],
})
export class BedrockModule {
  constructor(registry: UpstreamRegistry, identities: AwsIdentities) {
    registry.register(bedrockUpstream(identities));
  }
}
