import { type DestinationStream, type Logger, pino } from 'pino';
import { BOUND_SECRETS, censor, REDACTED, scrubLine } from './redaction.ts';

/** Injection token of pino's {@link Logger}: `@Inject(LOGGER) private readonly log: Logger`. */
export const LOGGER = Symbol('Logger');

/** One JSON line for each event, time in ISO 8601, level by name; what may stand in it is told in `redaction.ts`. */
export function createLogger(level: string, destination: DestinationStream = pino.destination(1)): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: {
        level: (label) => ({ level: label }),
        log: censor,
      },
      // Errors were described by `censor`; pino's own serializer would add all their fields.
      serializers: { err: (error: unknown) => error },
      redact: { paths: [...BOUND_SECRETS], censor: REDACTED },
    },
    { write: (line: string) => destination.write(scrubLine(line)) },
  );
}
