import type { SimulatedRequest, Simulator } from '../../src/simulator/simulator.ts';
import { query } from './query.ts';

/** What the ledger says beside what the simulator saw: nothing lost, nothing doubled, nothing made up. */
export interface Books {
  readonly seen: number;
  readonly answeredWhole: number;
  readonly rows: number;
  readonly partial: number;
  readonly orphaned: number;
  /** Requests upstream that have no row of their own. */
  readonly lost: number;
  /** Calls completed more than once, and those of which more answers are booked than there were. */
  readonly doubled: number;
  /** Completed rows without the tokens that every answer of the simulator has. */
  readonly wrong: number;
}

interface Booked {
  readonly client: string | null;
  readonly outcome: string;
  readonly input: number;
}

/** Every request that the simulator saw must carry its client's request id as its marker. */
export async function compareBooks(databaseUrl: string, simulator: Simulator): Promise<Books> {
  const rows = await query<Booked>(
    databaseUrl,
    `select client_request_id as client, outcome, input_tokens::integer as input from ledger`,
  );
  const seen = simulator.requests.filter(({ marker }) => marker !== undefined);
  const sent = count(seen, ({ marker }) => marker ?? '');
  const booked = count(
    rows.filter(({ client }) => client !== null),
    ({ client }) => client ?? '',
  );
  const completed = count(
    rows.filter(({ outcome }) => outcome === 'completed'),
    ({ client }) => client ?? '',
  );
  const answers = count(
    rows.filter(({ client, input }) => client !== null && input > 0),
    ({ client }) => client ?? '',
  );
  const isDoubled = (id: string): boolean =>
    (completed.get(id) ?? 0) > 1 || (answers.get(id) ?? 0) > (sent.get(id) ?? Infinity);
  const missing = [...sent].reduce((sum, [id, times]) => sum + Math.max(0, times - (booked.get(id) ?? 0)), 0);
  return {
    seen: seen.length,
    answeredWhole: seen.filter(({ ended, bytesSent }) => ended === 'finished' && bytesSent > 0).length,
    rows: rows.length,
    partial: rows.filter(({ outcome }) => outcome === 'partial').length,
    orphaned: rows.filter(({ outcome }) => outcome === 'orphaned').length,
    lost: missing,
    doubled: [...new Set([...completed.keys(), ...answers.keys()])].filter(isDoubled).length,
    wrong: rows.filter(({ outcome, input }) => outcome === 'completed' && input === 0).length,
  };
}

function count<Item>(items: readonly Item[], idOf: (item: Item) => string): Map<string, number> {
  const found = new Map<string, number>();
  for (const item of items) found.set(idOf(item), (found.get(idOf(item)) ?? 0) + 1);
  return found;
}

/** The most that were open at once at the simulator, of those chosen. */
export function mostAtOnce(requests: readonly SimulatedRequest[]): number {
  const moments = requests
    .flatMap(({ receivedAt, endedAt }) => [
      { at: receivedAt, change: 1 },
      { at: endedAt ?? Infinity, change: -1 },
    ])
    .sort((a, b) => a.at - b.at || a.change - b.change);
  let now = 0;
  let most = 0;
  for (const { change } of moments) most = Math.max(most, (now += change));
  return most;
}
