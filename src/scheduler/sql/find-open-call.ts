import type { Queryable } from '../../database/statement.ts';
import type { Lease } from '../admission.ts';

const FIND = {
  name: 'find-open-call',
  text: `select request_id, attempt, epoch, key_id, account_id, teams, at from open_calls where request_id = $1`,
};

interface OpenCall {
  readonly request_id: string;
  readonly attempt: number;
  readonly epoch: string;
  readonly key_id: string;
  readonly account_id: string;
  readonly teams: readonly string[];
  readonly at: Date;
}

/** The lease that an admission took whose answer was lost. */
export async function findOpenCall(db: Queryable, requestId: string): Promise<Lease | undefined> {
  const [row] = await db.run<OpenCall>(FIND, [requestId]);
  return (
    row && {
      requestId: row.request_id,
      attempt: row.attempt,
      epoch: row.epoch,
      keyId: row.key_id,
      accountId: row.account_id,
      teams: row.teams,
      admittedAt: row.at,
    }
  );
}
