import type { Env } from '../config/env.ts';
import { Readiness } from '../health/readiness.ts';
import { Scrape } from '../health/scrape.ts';
import { bootRelay, type Relay } from '../main.ts';
import { Metrics } from '../telemetry/metrics.ts';
import type { FromWorker, ToWorker } from '../workers/message.ts';
import { WorkerLink } from '../workers/worker-link.ts';
import { describeFailure } from './departure.ts';

/**
 * One of several processes that serve behind one port: started by the process above, and led by its messages alone. A
 * terminal and systemd send their signals to it, too, but the process above decides when all leave; when that one is
 * gone, Node ends this one.
 *
 * States: waiting (it has said hello, for its settings) → booting → serving → leaving (drains) → gone.
 */
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);

const tell = (message: FromWorker, then: () => void = () => undefined): void =>
  void process.send?.(message, then);
const link = new WorkerLink(tell);
let relay: Relay | undefined;
let starting: Promise<void> = Promise.resolve();

async function begin(env: Env): Promise<void> {
  relay = await bootRelay(env, (app) => link.join(app.get(Readiness), app.get(Scrape), app.get(Metrics)));
  tell({ act: 'serving', url: relay.url, firstAdminToken: relay.firstAdminToken });
}

async function leave(): Promise<void> {
  await starting;
  await relay?.close();
  link.part();
  process.exit(0);
}

/** The reason goes to the process above, which tells it once. */
function fail(error: unknown): void {
  tell({ act: 'failed', reason: describeFailure(error) }, () => process.exit(1));
}

process.on('message', (message: ToWorker) => {
  switch (message.act) {
    case 'begin':
      starting = begin(message.env);
      starting.catch(fail);
      break;
    case 'leave':
      leave().catch(fail);
      break;
    case 'hurry':
      relay?.hurry();
      break;
    default:
      link.take(message);
  }
});
tell({ act: 'hello' });
