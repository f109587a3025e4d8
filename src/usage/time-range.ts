import { ProblemError } from '../errors/problem-error.ts';

/** A day, or a time with its zone: without one it would mean another moment on each machine. */
export const ISO_TIME = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:\d\d))?$/;
export const ISO_TIME_PROBLEM = 'must be an ISO 8601 day, or a time with its zone (2026-01-31T09:00:00Z)';

const DEFAULT_DAYS = 30;
const DAY_MS = 86_400_000;

/** Half-open: `from` is in, `to` is not. */
export interface TimeRange {
  readonly from: Date;
  readonly to: Date;
}

/** @throws ProblemError naming the field, when the calendar does not have the time or the range is none */
export function rangeOf(query: { readonly from?: string; readonly to?: string }, now: Date): TimeRange {
  const to = query.to === undefined ? now : timeOf('to', query.to);
  const from =
    query.from === undefined ? new Date(to.getTime() - DEFAULT_DAYS * DAY_MS) : timeOf('from', query.from);
  if (from >= to) throw ProblemError.fields([{ field: 'from', problem: 'must be before to' }]);
  return { from, to };
}

/** @throws ProblemError naming the field */
export function timeOf(field: string, text: string): Date {
  const at = new Date(text);
  const day = new Date(`${text.slice(0, 10)}T00:00:00Z`);
  // JavaScript turns 30 February into 2 March; Postgres would not have it.
  const sound = !Number.isNaN(at.getTime()) && !Number.isNaN(day.getTime());
  if (sound && day.toISOString().startsWith(text.slice(0, 10)) && at.getTime() >= 0) return at;
  throw ProblemError.fields([{ field, problem: 'is no time of the calendar since 1970' }]);
}
