import type { Queryable } from '../../database/statement.ts';
import type { AdmissionRequest } from '../admission.ts';
import { type Answer, decodeAnswer, encodeBatch } from '../admission-batch.ts';

export const ADMIT = {
  name: 'admit',
  text: `select admit_bound($1::uuid, $2::integer, $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::integer[],
    $8::integer[], $9::integer[], $10::bigint[], $11::integer[], $12::integer[], $13::boolean[], $14::uuid[],
    $15::integer[], $16::bigint[], $17::boolean[], $18::integer[], $19::text[], $20::text[], $21::integer[],
    $22::bigint[], $23::bigint[], true, $24::uuid[], $25::text[], $26::boolean[]) as answer`,
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
): Promise<Answer[] | undefined> {
  const batch = encodeBatch(requests);
  const [row] = await db.run<{ answer: string }>(ADMIT, [epoch, aliveMs, ...batch.values]);
  if (row === undefined) throw new Error('Admission did not answer');
  return decodeAnswer(row.answer, requests, batch, epoch);
}
