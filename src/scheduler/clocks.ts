import type { Env } from '../config/env.ts';

/** How often a replica beats, after how long a silent one is dead, and how often that is looked at. */
export type Clocks = Pick<Env, 'heartbeatMs' | 'epochTtlMs' | 'sweepMs'>;

/** What the scheduler takes from the environment. */
export type SchedulerSettings = Clocks &
  Pick<
    Env,
    'spoolDir' | 'spoolMaxBytes' | 'ledgerKeepMonths' | 'graceMs' | 'queueMs' | 'queueMax' | 'workers'
  >;
