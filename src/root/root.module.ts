import { Module } from '@nestjs/common';
import { KeysModule } from '../keys/keys.module.ts';
import { RelayModule } from '../relay/relay.module.ts';
import { RootController } from './root.controller.ts';

@Module({ imports: [KeysModule, RelayModule], controllers: [RootController] })
export class RootModule {}
