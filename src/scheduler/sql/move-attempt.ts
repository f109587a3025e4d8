import type { Queryable } from '../../database/statement.ts';
import type { Decision, MoveRequest } from '../admission.ts';
import { refused } from '../admission-batch.ts';

const MOVE = {
  name: 'move-attempt',
  text: `select move_attempt($1::uuid, $2::integer, $3::uuid, $4::smallint, $5::bigint, $6::uuid[], $7::text[],
    $8::bigint[], $9::integer[], $10::text[], $11::boolean[], $12::uuid, true) as answer`,
};

/**
 * The next attempt of an open call, decided and its place taken in one transaction; may be asked again after an answer
 * was lost. `epoch`: it has not beaten within `aliveMs` by the database clock, and nothing was done. `gone`: the call
 * is not open under this epoch.
 */
export async function moveAttempt(
  db: Queryable,
  aliveMs: number,
  request: MoveRequest,
): Promise<Decision | 'epoch' | 'gone'> {
  const { lease, candidates } = request;
  const [row] = await db.run<{ answer: string }>(MOVE, [
    lease.epoch,
    aliveMs,
    lease.requestId,
    lease.attempt,
    request.keyVersion,
    candidates.map(({ accountId }) => accountId),
    candidates.map(({ accountId }) => request.kindOf(accountId)),
    candidates.map(({ version }) => version),
    candidates.map(({ tier }) => tier),
    candidates.map(({ modelFamily }) => modelFamily),
    candidates.map(({ accountId }) => request.unpriced?.has(accountId) !== true),
    request.preferredAccountId ?? null,
  ]);
  const answer = row?.answer ?? '';
  if (answer === 'epoch' || answer === 'gone') return answer;
  const kept = { ...lease, attempt: lease.attempt + 1, accountId: answer.slice(1), probe: undefined };
  if (answer.startsWith('+')) return { admitted: true, lease: kept };
  if (answer.startsWith('*')) return { admitted: true, lease: { ...kept, probe: true } };
  const [code, wait] = answer.split(';');
  return refused(Number(code), Number(wait));
}
