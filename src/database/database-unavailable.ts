/**
 * Why the database could not be asked, or why its answer did not come:
 * - `connection`: refused, cut, or shutting down
 * - `timeout`: no answer in time; the statement may or may not have taken effect
 * - `pool-full`: all connections were busy for too long; the statement was not sent
 * - `read-only`: a standby, or a primary that was replaced
 * - `breaker`: it failed a moment ago, and is only tried once a second; the statement was not sent
 */
export type UnavailableReason = 'connection' | 'timeout' | 'pool-full' | 'read-only' | 'breaker';

/** Postgres is gone, slow or full: callers answer 503, never 401 or 500. */
export class DatabaseUnavailable extends Error {
  constructor(
    readonly reason: UnavailableReason,
    options?: { cause: unknown },
  ) {
    super(`The database is unavailable (${reason})`, options);
  }
}

/** Our own clock ran out before a statement's answer came. */
export class AnswerLate extends Error {
  constructor() {
    super('The answer of a statement did not come in time');
  }
}

/** SQLSTATE of an error, or the system's code of a failed connection. */
export function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : '';
}

/** True for an error that the server itself sent about one statement: the connection stays usable. */
export function isAnswer(error: unknown): boolean {
  return (error as { severity?: unknown } | null)?.severity === 'ERROR';
}

/** Sorts an error of node-postgres; undefined when the server answered, and said no to this statement only. */
export function unavailability(error: unknown): UnavailableReason | undefined {
  const code = codeOf(error);
  if (code === '25006') return 'read-only';
  if (code === '57014') return 'timeout';
  // 57P0x: shutting down, crashed, starting; 53300: too many connections; 25P03: idle in transaction; 08: connection.
  if (/^(57P|53|08|25P03|28)/.test(code)) return 'connection';
  if (isAnswer(error)) return undefined;
  if (error instanceof AnswerLate) return 'timeout';
  const message = error instanceof Error ? error.message : '';
  if (message === 'timeout exceeded when trying to connect') return 'pool-full';
  return message === 'Query read timeout' ? 'timeout' : 'connection';
}
