import { Module } from '@nestjs/common';
import { KeysModule } from '../keys/keys.module.ts';
import { RelayModule } from '../relay/relay.module.ts';
import { UpstreamRegistry } from '../upstream/upstream-registry.ts';
import { AwsIdentities } from './aws-identities.ts';
import { bedrockUpstream } from './bedrock.upstream.ts';

@Module({
  imports: [KeysModule, RelayModule],
  providers: [AwsIdentities],
})
export class BedrockModule {
  constructor(registry: UpstreamRegistry, identities: AwsIdentities) {
    registry.register(bedrockUpstream(identities));
  }
}
