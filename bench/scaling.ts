import { runPhase, type Target } from './measure.ts';
import type { LoadPhase } from './phases.ts';
import type { RelayChild } from './relay.ts';
import type { Table } from './report.ts';

/**
 * What it costs that a second worker serves beside the first: both relays have an embedded Postgres of their own and the
 * same load. Throughput is told, but says little where the driver shares the cores with what it drives.
 */
export async function workersBesideOne(
  phase: LoadPhase,
  start: (workers: number) => Promise<RelayChild>,
): Promise<Table> {
  const relays = [await start(1), await start(2)] as const;
  try {
    const [one, two] = relays.map((relay, index): Target => ({ name: names[index] ?? '', ...relay }));
    if (one === undefined || two === undefined) throw new Error('two relays were started');
    const { figures } = await runPhase(phase, [one, two], one);
    const costs = names.map((name) => {
      const { serverMicros = NaN, postgresMicros = NaN } = figures.get(name) ?? {};
      return serverMicros + postgresMicros;
    });
    return {
      title: 'Two workers beside one, the JSON of above',
      head: ['', 'requests/s', 'server CPU µs/request', 'Postgres CPU µs/request', 'together', '× one'],
      rows: names.map((name, index) => {
        const found = figures.get(name);
        const together = costs[index] ?? NaN;
        return [
          name,
          ...[found?.perSecond, found?.serverMicros, found?.postgresMicros, together].map((value) =>
            (value ?? NaN).toFixed(0),
          ),
          (together / (costs[0] ?? NaN)).toFixed(2),
        ];
      }),
    };
  } finally {
    await Promise.all(relays.map((relay) => relay.stop()));
  }
}

const names = ['one worker', 'two workers'] as const;
