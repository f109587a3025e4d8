import type { Queryable } from '../../database/statement.ts';
import type { Settlement } from '../settlement.ts';

type Plain = string | number | bigint | boolean | null;

/** The arguments of the `settle` function, in its order: type of the array, and the value of one settlement. */
const COLUMNS: readonly (readonly [type: string, value: (settlement: Settlement) => Plain])[] = [
  ['uuid', (s) => s.requestId],
  ['smallint', (s) => s.attempt],
  ['timestamptz', (s) => s.admittedAt.toISOString()],
  ['uuid', (s) => s.epoch],
  ['uuid', (s) => s.keyId],
  ['uuid', (s) => s.accountId],
  ['text', (s) => s.lane],
  ['text', (s) => s.door],
  ['text', (s) => s.kind],
  ['text', (s) => s.model],
  ['text', (s) => s.upstreamModel],
  ['boolean', (s) => s.stream],
  ['text', (s) => s.outcome],
  ['smallint', (s) => s.status],
  ['text', (s) => s.reason],
  ['bigint', (s) => s.usage.inputTokens],
  ['bigint', (s) => s.usage.cacheReadTokens],
  ['bigint', (s) => s.usage.cacheWrite5mTokens],
  ['bigint', (s) => s.usage.cacheWrite1hTokens],
  ['bigint', (s) => s.usage.outputTokens],
  ['bigint', (s) => s.usage.reasoningTokens],
  ['text', (s) => serverTools(s.usage.serverTools)],
  ['boolean', (s) => s.estimated],
  ['boolean', (s) => s.suspicious],
  ['bigint', (s) => s.costNanos],
  ['bigint', (s) => s.priceId],
  ['integer', (s) => whole(s.firstByteMs)],
  ['integer', (s) => whole(s.durationMs)],
  ['text', (s) => s.upstreamRequestId],
  ['text', (s) => s.clientRequestId],
  ['boolean', (s) => s.final],
  ['text', (s) => `{${s.teams.join(',')}}`],
  ['text', decisionText],
  ['bigint', (s) => s.chargedNanos],
];

const SETTLE = {
  name: 'settle',
  text: `select settle(${COLUMNS.map(([type], index) => `$${index + 1}::${type}[]`).join(', ')}) as done`,
};

export interface Settled {
  /** Ledger rows written or corrected. */
  readonly written: number;
  /** Open rows deleted: that many calls ended, and what they held came back. */
  readonly released: number;
}

/** 1 to 64 settlements in one transaction, each (request, attempt) once; any of them may have been settled before. */
export async function settleBatch(db: Queryable, settlements: readonly Settlement[]): Promise<Settled> {
  const sorted = [...settlements].sort((a, b) => compare(a.requestId, b.requestId) || a.attempt - b.attempt);
  const values = COLUMNS.map(([type, value]) => arrayOf(type, sorted.map(value)));
  const [row] = await db.run<{ done: [number, number] }>(SETTLE, values);
  if (row === undefined) throw new Error('Settlement did not answer');
  return { written: row.done[0], released: row.done[1] };
}

/**
 * Ids, numbers, times and truths need no quotes: their array is written here at a fraction of what node-postgres takes,
 * which looks through every element for what must be escaped, and is left the texts.
 */
function arrayOf(type: string, values: readonly Plain[]): string | readonly Plain[] {
  return type === 'text' ? values : `{${values.map((value) => value ?? 'NULL').join(',')}}`;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function decisionText({ decision, considered }: Settlement): string | null {
  if (decision === null) return null;
  const text = JSON.stringify(decision);
  return considered === undefined ? text : `${text.slice(0, -1)},"considered":${considered}}`;
}

function whole(ms: number | null): number | null {
  return ms === null ? null : Math.min(Math.max(Math.round(ms), 0), 2 ** 31 - 1);
}

function serverTools(units: Readonly<Record<string, number>>): string | null {
  const text = JSON.stringify(units);
  return text === '{}' ? null : text;
}
