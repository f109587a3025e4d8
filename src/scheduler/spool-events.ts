import type { Logger } from 'pino';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Replayed } from './replays.ts';
import type { SpoolEvents } from './spooling.ts';

/** What is told of this replica's spool. */
export function spoolEvents(metrics: Metrics, log: Logger): SpoolEvents {
  return {
    record: (written) => metrics.spoolRecord(written),
    state: (state, bytes) => metrics.spoolState(state === 'writing', bytes),
    failed: (error) => log.error({ err: error }, 'the spool cannot be written'),
  };
}

/** What is told of another one's, which is dead. */
export function tellReplayed(metrics: Metrics, log: Logger): (replayed: Replayed) => void {
  return (replayed) => {
    metrics.spoolReplayed(replayed.settlements, replayed.bad);
    log.warn(replayed, 'what a dead replica left was replayed');
  };
}
