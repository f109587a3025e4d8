import { Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { AccessCheck } from './access.check.ts';

@Module({ imports: [DiscoveryModule], providers: [AccessCheck], exports: [AccessCheck] })
export class AccessModule {}
