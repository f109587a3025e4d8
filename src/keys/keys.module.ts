import { Module } from '@nestjs/common';
import { KeyDirectory } from './key-directory.ts';
import { KeyGuard } from './key.guard.ts';
import { KeysController } from './keys.controller.ts';
import { KeysService } from './keys.service.ts';
import { TeamsController } from './teams.controller.ts';
import { TeamsService } from './teams.service.ts';

@Module({
  controllers: [KeysController, TeamsController],
  providers: [KeyDirectory, KeyGuard, KeysService, TeamsService],
  exports: [KeyDirectory, KeyGuard, KeysService],
})
export class KeysModule {}
