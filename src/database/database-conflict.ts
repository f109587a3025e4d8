import { QueryFailedError } from 'typeorm';

/** Whether a statement failed because the unique index (or constraint) of that name already holds the value. */
export function violates(error: unknown, index: string): boolean {
  const { code, constraint } = driverError(error);
  return code === '23505' && constraint === index;
}

/** Whether a lock was not to be had: at once with `nowait`, within `lock_timeout` otherwise. */
export function isLockRefused(error: unknown): boolean {
  return driverError(error).code === '55P03';
}

function driverError(error: unknown): { readonly code?: string; readonly constraint?: string } {
  return error instanceof QueryFailedError
    ? (error.driverError as { code?: string; constraint?: string })
    : {};
}
