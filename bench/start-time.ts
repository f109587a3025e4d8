import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { launchRelay, relayFolder } from './relay.ts';
import { number, type Table } from './report.ts';
import { quantile } from './figures.ts';

/**
 * From the start of the process to the moment it listens, on an empty data folder and on one with the schema in it;
 * medians in seconds.
 */
export interface StartTimes {
  readonly empty: number;
  readonly present: number;
}

export async function startTimes(rounds: number): Promise<StartTimes> {
  const empty: number[] = [];
  const present: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const folder = await relayFolder();
    empty.push(await timeOf(folder));
    present.push(await timeOf(folder));
    await rm(folder, { recursive: true, force: true });
  }
  return { empty: quantile(empty, 0.5) / 1000, present: quantile(present, 0.5) / 1000 };
}

export function startTimesTable({ empty, present }: StartTimes, rounds: number): Table {
  return {
    title: `Start of llm-relay with its embedded Postgres, seconds, median of ${rounds}`,
    head: ['', 'ready after s'],
    rows: [
      ['empty data folder', number(empty, 2)],
      ['schema present', number(present, 2)],
    ],
  };
}

async function timeOf(folder: string): Promise<number> {
  const began = performance.now();
  const { child } = await launchRelay(folder, {});
  const ms = performance.now() - began;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  await gone;
  return ms;
}
