import { STATUS_CODES } from 'node:http';

/** One field of a request that is not valid; `field` is a path such as `limits.concurrency`. */
export interface FieldProblem {
  readonly field: string;
  readonly problem: string;
}

/** A refusal of the REST for people, rendered as RFC 9457 `application/problem+json`. Our own words only. */
export class ProblemError extends Error {
  readonly status: number;
  readonly title: string;
  readonly fields: readonly FieldProblem[];
  readonly retryAfterSeconds: number | undefined;

  constructor(
    status: number,
    title: string,
    detail: string,
    fields: readonly FieldProblem[] = [],
    retryAfterSeconds?: number,
  ) {
    super(detail);
    this.status = status;
    this.title = title;
    this.fields = fields;
    this.retryAfterSeconds = retryAfterSeconds;
  }

  /** With the status' own title. */
  static of(status: number, detail: string): ProblemError {
    return new ProblemError(status, titleOf(status), detail);
  }

  /** 400 that names the fields. */
  static fields(fields: readonly FieldProblem[]): ProblemError {
    const names = [...new Set(fields.map(({ field }) => field))].join(', ');
    return new ProblemError(400, titleOf(400), `Not valid: ${names}`, fields);
  }
}

export function titleOf(status: number): string {
  return STATUS_CODES[status] ?? 'Error';
}
