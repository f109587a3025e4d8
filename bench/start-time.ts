import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { launchRelay, relayFolder } from './relay.ts';
import type { Table } from './report.ts';
import { quantile } from './measure.ts';

/** From the start of the process to the moment it listens, on an empty data folder and on one with the schema in it. */
export async function startTimes(rounds: number): Promise<Table> {
  const empty: number[] = [];
  const present: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const folder = await relayFolder();
    empty.push(await timeOf(folder));
    present.push(await timeOf(folder));
    await rm(folder, { recursive: true, force: true });
  }
  const seconds = (values: readonly number[]): string => (quantile(values, 0.5) / 1000).toFixed(2);
  return {
    title: `Start of llm-relay with its embedded Postgres, seconds, median of ${rounds}`,
    head: ['', 'ready after s'],
    rows: [
      ['empty data folder', seconds(empty)],
      ['schema present', seconds(present)],
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
