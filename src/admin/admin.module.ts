import { Global, Module } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { AdminGuard } from './admin.guard.ts';
import { AdminTokens } from './admin-tokens.ts';
import { AuditController } from './audit.controller.ts';
import { AuditRepository } from './audit.repository.ts';
import { FirstAdmin } from './first-admin.ts';
import { ProblemFilter } from './problem.filter.ts';

/** Global for {@link AdminGuard}: every REST room has administrators' routes. */
@Global()
@Module({
  controllers: [AuditController],
  providers: [
    AdminTokens,
    AdminGuard,
    FirstAdmin,
    AuditRepository,
    { provide: APP_FILTER, useClass: ProblemFilter },
  ],
  exports: [AdminTokens, AdminGuard, FirstAdmin],
})
export class AdminModule {}
