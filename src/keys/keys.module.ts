import { Module } from '@nestjs/common';
import { KeyDirectory } from './key-directory.ts';
import { KeyGuard } from './key.guard.ts';
import { KeysController } from './keys.controller.ts';
import { KeysService } from './keys.service.ts';

@Module({
  controllers: [KeysController],
  providers: [KeyDirectory, KeyGuard, KeysService],
  exports: [KeyDirectory, KeyGuard],
})
export class KeysModule {}
