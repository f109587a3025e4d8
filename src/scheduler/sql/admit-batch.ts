import type { Queryable } from '../../database/statement.ts';
import type { AdmissionRequest, Decision } from '../admission.ts';
import { decodeAnswer, encodeBatch } from '../admission-batch.ts';

const ADMIT = {
  name: 'admit',
  text: `select admit($1::uuid, $2::integer, $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::integer[],
    $8::integer[], $9::integer[], $10::bigint[], $11::integer[], $12::integer[], $13::uuid[], $14::integer[],
    $15::bigint[], $16::boolean[], $17::integer[], $18::text[], $19::text[],
    $20::integer[], $21::bigint[], $22::bigint[]) as answer`,
};

/**
 * 1 to 64 requests, all decided and their places taken in one transaction. Undefined when the epoch is closed, dead,
 * or has not beaten within `aliveMs` by the database clock: then nothing was taken.
 */
export async function admitBatch(
  db: Queryable,
  epoch: string,
  aliveMs: number,
  requests: readonly AdmissionRequest[],
): Promise<Decision[] | undefined> {
  const { values, accounts } = encodeBatch(requests);
  const [row] = await db.run<{ answer: string }>(ADMIT, [epoch, aliveMs, ...values]);
  if (row === undefined) throw new Error('Admission did not answer');
  return decodeAnswer(row.answer, requests, accounts, epoch);
}
