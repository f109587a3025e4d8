import { runPhase, type Target } from './measure.ts';
import type { LoadPhase } from './phases.ts';
import type { RelayChild } from './relay.ts';
import { number, type Table } from './report.ts';

/**
 * What it costs that a second worker serves beside the first: both relays have an embedded Postgres of their own and the
 * same load. Throughput is told, but says little where the driver shares the cores with what it drives.
 */
export async function workersBesideOne(
  phase: LoadPhase,
  start: (workers: number) => Promise<RelayChild>,
): Promise<{ readonly table: Table; readonly ratio: number }> {
  const relays = [await start(1), await start(2)] as const;
  try {
    const [one, two] = relays.map((relay, index): Target => ({
      name: names[index] ?? '',
      ...relay,
      processes: index + 1,
    }));
    if (one === undefined || two === undefined) throw new Error('two relays were started');
    const { figures } = await runPhase(phase, [one, two], one);
    const together = (name: string): number => {
      const { serverMicros = NaN, postgresMicros = NaN } = figures.get(name) ?? {};
      return serverMicros + postgresMicros;
    };
    const table = {
      title: 'Two workers beside one, the JSON of above',
      head: ['', 'requests/s', 'server CPU µs/request', 'Postgres CPU µs/request', 'together', '× one'],
      rows: [...figures].map(([name, found]) => [
        name,
        number(found.perSecond, 0),
        number(found.serverMicros, 0),
        number(found.postgresMicros, 0),
        number(together(name), 0),
        number(together(name) / together(one.name), 2),
      ]),
    };
    return { table, ratio: together(two.name) / together(one.name) };
  } finally {
    await Promise.all(relays.map((relay) => relay.stop()));
  }
}

const names = ['one worker', 'two workers'] as const;
