import { codeOf, DatabaseUnavailable, isAnswer } from '../database/database-unavailable.ts';
import { AdmissionUnavailable } from './admission.ts';

/**
 * What a failed statement means for the one who sent it:
 * - `again`: rolled back for the sake of others (deadlock, serialization, lock timeout); the same may work now
 * - `data`: rolled back because of one row's own values (a duplicate id, a text the database cannot hold), or never
 *   sent because it could not be written down
 * - `unknown`: no answer came, so it may have been committed, or may yet be
 * - `down`: rolled back or never sent, and likely to fail for everybody
 */
export type StatementFailure = 'again' | 'data' | 'unknown' | 'down';

export function failureOf(error: unknown): StatementFailure {
  if (error instanceof DatabaseUnavailable) {
    return error.reason === 'connection' || error.reason === 'timeout' ? 'unknown' : 'down';
  }
  if (error instanceof AdmissionUnavailable) return 'down';
  const code = codeOf(error);
  if (!isAnswer(error)) return code === '' ? 'data' : 'unknown';
  if (code === '40P01' || code === '40001' || code === '55P03') return 'again';
  return code.startsWith('22') || code.startsWith('23') ? 'data' : 'down';
}
