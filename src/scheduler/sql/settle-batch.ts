import { jsonArray, plainArray, textArray } from '../../database/array-text.ts';
import type { Queryable } from '../../database/statement.ts';
import type { Settlement } from '../settlement.ts';

type Column = (settlements: readonly Settlement[]) => string;

const plain = written(plainArray);
const text = written(textArray);
const json = written(jsonArray);

/** The arguments of the `settle` function, in its order: type of the array, and the array of some settlements. */
const COLUMNS: readonly (readonly [type: string, column: Column])[] = [
  ['uuid', plain((s) => s.requestId)],
  ['smallint', plain((s) => s.attempt)],
  ['timestamptz', plain((s) => s.admittedAt.toISOString())],
  ['uuid', plain((s) => s.epoch)],
  ['uuid', plain((s) => s.keyId)],
  ['uuid', plain((s) => s.accountId)],
  ['text', text((s) => s.lane)],
  ['text', text((s) => s.door)],
  ['text', text((s) => s.kind)],
  ['text', text((s) => s.model)],
  ['text', text((s) => s.upstreamModel)],
  ['boolean', plain((s) => s.stream)],
  ['text', text((s) => s.outcome)],
  ['smallint', plain((s) => s.status)],
  ['text', text((s) => s.reason)],
  ['bigint', plain((s) => s.usage.inputTokens)],
  ['bigint', plain((s) => s.usage.cacheReadTokens)],
  ['bigint', plain((s) => s.usage.cacheWrite5mTokens)],
  ['bigint', plain((s) => s.usage.cacheWrite1hTokens)],
  ['bigint', plain((s) => s.usage.outputTokens)],
  ['bigint', plain((s) => s.usage.reasoningTokens)],
  ['text', json((s) => serverTools(s.usage.serverTools))],
  ['boolean', plain((s) => s.estimated)],
  ['boolean', plain((s) => s.suspicious)],
  ['bigint', plain((s) => s.costNanos)],
  ['bigint', plain((s) => s.priceId)],
  ['integer', plain((s) => whole(s.firstByteMs))],
  ['integer', plain((s) => whole(s.durationMs))],
  ['text', text((s) => s.upstreamRequestId)],
  ['text', text((s) => s.clientRequestId)],
  ['boolean', plain((s) => s.final)],
  ['text', text((s) => `{${s.teams.join(',')}}`)],
  ['text', json(decisionText)],
  ['bigint', plain((s) => s.chargedNanos)],
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
  const values = COLUMNS.map(([, column]) => column(sorted));
  const [row] = await db.run<{ done: [number, number] }>(SETTLE, values);
  if (row === undefined) throw new Error('Settlement did not answer');
  return { written: row.done[0], released: row.done[1] };
}

/** Columns whose arrays are written in this way. */
function written<Value>(write: (values: readonly Value[]) => string) {
  return (value: (settlement: Settlement) => Value): Column =>
    (settlements) =>
      write(settlements.map(value));
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
  for (const _ in units) return JSON.stringify(units);
  return null;
}
