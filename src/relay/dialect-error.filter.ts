import {
  type ArgumentsHost,
  Catch,
  type ExceptionFilter,
  HttpException,
  Inject,
  Injectable,
  mixin,
  type Type,
} from '@nestjs/common';
import type { Request, Response } from 'express';
import type { Logger } from 'pino';
import { contextOf } from '../access/request-context.ts';
import { CallError, type ErrorKind } from '../dialects/dialect.ts';
import { RelayError, type RelayErrorCode } from '../errors/relay-error.ts';
import { LOGGER } from '../telemetry/logger.ts';
import { Metrics } from '../telemetry/metrics.ts';
import { type ErrorShape, refuse } from './responder.ts';

/** What the dialect's own reading of a call may find wrong, in our table. */
const CALL_ERRORS: Partial<Record<ErrorKind, RelayErrorCode>> = {
  'not-found': 'model-unknown',
  'too-large': 'body-too-large',
};

/** Renders whatever a door's guard or controller throws in the door's dialect; nothing else of it gets out. */
export function DialectErrors(
  shapeOf: (request: Request) => ErrorShape,
  doorOf: (request: Request) => string,
): Type<ExceptionFilter> {
  @Injectable()
  @Catch()
  class DialectErrorFilter implements ExceptionFilter {
    constructor(
      private readonly metrics: Metrics,
      @Inject(LOGGER) private readonly log: Logger,
    ) {}

    catch(thrown: unknown, host: ArgumentsHost): void {
      const http = host.switchToHttp();
      const request = http.getRequest<Request>();
      const { requestId, clientRequestId } = contextOf(request);
      const error = this.known(thrown, requestId);
      const about = { requestId, clientRequestId, attempts: 0, edits: [] };
      this.metrics.refused(error.code, doorOf(request));
      refuse(http.getResponse<Response>(), shapeOf(request), about, error);
    }

    private known(thrown: unknown, requestId: string): RelayError {
      if (thrown instanceof RelayError) return thrown;
      if (thrown instanceof CallError)
        return new RelayError(CALL_ERRORS[thrown.kind] ?? 'call-invalid', thrown.message);
      if (thrown instanceof HttpException && thrown.getStatus() === 404) {
        return new RelayError('route-unknown', 'There is no such route');
      }
      this.log.error({ requestId, err: thrown }, 'a relay route failed');
      return new RelayError('internal', 'The relay failed');
    }
  }
  return mixin(DialectErrorFilter);
}
