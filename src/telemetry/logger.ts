import { type DestinationStream, type Logger, pino } from 'pino';
import { byTurns } from './line-turns.ts';
import { censor, scrubLine } from './redaction.ts';

/** Injection token of pino's {@link Logger}: `@Inject(LOGGER) private readonly log: Logger`. */
export const LOGGER = Symbol('Logger');

/** pipe(7): so many bytes go into a pipe in one piece, whoever else writes there (PIPE_BUF of Linux). */
const WHOLE_WRITE = 4_096;

let output: DestinationStream | undefined;

let timeText = '';
let timeOfText = NaN;

/** As pino's own, whose text is made once for all lines of a millisecond. */
function isoTime(): string {
  const now = Date.now();
  if (now !== timeOfText) {
    timeOfText = now;
    timeText = pino.stdTimeFunctions.isoTime();
  }
  return timeText;
}

/** One for all loggers of the process, so that their lines keep their order. */
function standardOutput(isShared: boolean): DestinationStream {
  if (output === undefined) {
    const turns = byTurns(pino.destination(1), isShared ? WHOLE_WRITE : Infinity);
    process.once('exit', turns.flush);
    output = turns;
  }
  return output;
}

/**
 * One JSON line for each event, time in ISO 8601, level by name; what may stand in it is told in `redaction.ts`.
 *
 * @param worker the number of this process among those that share its output, told in each line
 */
export function createLogger(
  level: string,
  destination?: DestinationStream,
  worker: number | undefined = undefined,
): Logger {
  const lines = destination ?? standardOutput(worker !== undefined);
  const logger = pino(
    {
      level,
      base: worker === undefined ? null : { worker },
      timestamp: isoTime,
      formatters: {
        level: (label) => ({ level: label }),
        log: censor,
      },
      // Errors were described by `censor`; pino's own serializer would add all their fields.
      serializers: { err: (error: unknown) => error },
    },
    { write: (line: string) => lines.write(scrubLine(line)) },
  ); // Fields bound to a child logger pass no formatter of their own.
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with its logger below
  const { child } = logger;
  logger.child = function (this: Logger, bindings, options) {
    return child.call(this, { ...censor(bindings) }, options);
  } as typeof logger.child;
  return logger;
}
