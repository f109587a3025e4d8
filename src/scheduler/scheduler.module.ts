import { Module } from '@nestjs/common';
import { Readiness } from '../health/readiness.ts';
import { Scheduler } from './scheduler.ts';

@Module({ providers: [Scheduler], exports: [Scheduler] })
export class SchedulerModule {
  constructor(scheduler: Scheduler, readiness: Readiness) {
    readiness.addCheck('scheduler', () => scheduler.readiness());
    readiness.addLesserCheck('spool', () => scheduler.spoolReadiness());
  }
}
