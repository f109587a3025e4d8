import {
  type ArgumentsHost,
  Catch,
  type ExceptionFilter,
  HttpException,
  Inject,
  Injectable,
} from '@nestjs/common';
import type { Request, Response } from 'express';
import type { Logger } from 'pino';
import { QueryFailedError } from 'typeorm';
import { contextOf } from '../access/request-context.ts';
import { codeOf, DatabaseUnavailable, unavailability } from '../database/database-unavailable.ts';
import { ProblemError, titleOf } from '../errors/problem-error.ts';
import { RelayError } from '../errors/relay-error.ts';
import { LOGGER } from '../telemetry/logger.ts';

/** Whatever is thrown outside of the doors, as RFC 9457; a surprise says nothing of itself to the caller. */
@Injectable()
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(@Inject(LOGGER) private readonly log: Logger) {}

  catch(thrown: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const response = http.getResponse<Response>();
    const { requestId } = contextOf(http.getRequest<Request>());
    const problem = this.known(thrown, requestId);
    if (response.headersSent) {
      response.destroy();
      return;
    }
    const { status, title, message: detail, fields: errors, retryAfterSeconds } = problem;
    const wait = retryAfterSeconds ?? (status === 503 ? 2 : undefined);
    response.setHeader('content-type', 'application/problem+json; charset=utf-8');
    response.setHeader('x-relay-request-id', requestId);
    if (status === 401) response.setHeader('www-authenticate', 'Bearer realm="llm-relay"');
    if (wait !== undefined) response.setHeader('retry-after', String(wait));
    const list = errors.length === 0 ? {} : { errors };
    response.status(status).end(JSON.stringify({ type: 'about:blank', title, status, detail, ...list }));
  }

  private known(thrown: unknown, requestId: string): ProblemError {
    if (thrown instanceof ProblemError) return thrown;
    if (thrown instanceof RelayError) {
      const wait = typeof thrown.retry === 'number' ? thrown.retry : undefined;
      return new ProblemError(thrown.status, titleOf(thrown.status), thrown.message, [], wait);
    }
    if (thrown instanceof HttpException) {
      const status = thrown.getStatus();
      // Nest's own messages of these repeat the path, query string and all, or a part of the body.
      if (status === 404) return ProblemError.of(404, 'There is no such route');
      if (status === 400)
        return ProblemError.of(400, 'The body is not a JSON document, or the path is not valid');
      return ProblemError.of(status, thrown.message);
    }
    if (isDatabaseAway(thrown)) {
      this.log.warn({ requestId, err: thrown }, 'the database could not be asked');
      return ProblemError.of(503, 'The database cannot be reached just now');
    }
    const parser = parserProblem(thrown);
    if (parser !== undefined) return parser;
    this.log.error({ requestId, err: thrown }, 'a route failed');
    return ProblemError.of(500, 'The relay failed');
  }
}

/** What the JSON parser of the admin routes found; its own messages quote the body and are not passed on. */
function parserProblem(thrown: unknown): ProblemError | undefined {
  const type = (thrown as { readonly type?: unknown } | null)?.type;
  if (typeof type !== 'string') return undefined;
  if (type === 'entity.too.large') return ProblemError.of(413, 'The body is larger than 1 MiB');
  if (/^(encoding|charset)\.unsupported$/.test(type))
    return ProblemError.of(415, 'The body must be UTF-8 JSON');
  return /^(entity|request)\./.test(type)
    ? ProblemError.of(400, 'The body is not a JSON document')
    : undefined;
}

/** `DatabaseUnavailable` of the hot pool, or its like from TypeORM's. */
function isDatabaseAway(thrown: unknown): boolean {
  if (thrown instanceof DatabaseUnavailable) return true;
  if (thrown instanceof QueryFailedError) return unavailability(thrown.driverError) !== undefined;
  if (!(thrown instanceof Error)) return false;
  return (
    /^(ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|57P\d\d|53300|08\d{3})$/.test(
      codeOf(thrown),
    ) || /^(timeout exceeded when trying to connect|Connection terminated)/.test(thrown.message)
  );
}
