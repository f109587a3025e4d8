import { v7 as uuidv7 } from 'uuid';
import { query } from './query.ts';

export interface LedgerRow {
  readonly request_id: string;
  readonly attempt: number;
  readonly admitted_at: Date;
  readonly epoch: string;
  readonly key_id: string;
  readonly account_id: string;
  readonly lane: string;
  readonly door: string;
  readonly kind: string;
  readonly model: string;
  readonly upstream_model: string;
  readonly stream: boolean;
  readonly outcome: string;
  readonly status: number | null;
  readonly input_tokens: number;
  readonly cache_read_tokens: number;
  readonly cache_write_5m_tokens: number;
  readonly cache_write_1h_tokens: number;
  readonly output_tokens: number;
  readonly reasoning_tokens: number;
  readonly server_tools: object | null;
  readonly estimated: boolean;
  readonly cost_nanos: string | null;
  readonly charged_nanos: string | null;
  readonly price_id: string | null;
  readonly decision: object | null;
}

/** A settled attempt, planted as it stands in the table; answers its request id. */
export async function plantLedgerRow(url: string, row: Partial<LedgerRow>): Promise<string> {
  const at = row.admitted_at ?? new Date();
  const whole: Partial<LedgerRow> = {
    request_id: uuidv7({ msecs: at.getTime() }),
    attempt: 1,
    admitted_at: at,
    epoch: uuidv7(),
    key_id: uuidv7(),
    account_id: uuidv7(),
    lane: 'generate',
    door: 'claude',
    kind: 'claude',
    model: 'claude-sonnet-4-5',
    upstream_model: row.model ?? 'claude-sonnet-4-5',
    stream: true,
    outcome: 'completed',
    status: 200,
    cost_nanos: '0',
    ...row,
  };
  await insert(url, 'ledger', whole);
  return whole.request_id!;
}

export async function insert(url: string, table: string, row: object): Promise<void> {
  const names = Object.keys(row);
  const places = names.map((_, index) => `$${index + 1}`);
  await query(
    url,
    `insert into ${table} (${names.join(', ')}) values (${places.join(', ')})`,
    Object.values(row),
  );
}
