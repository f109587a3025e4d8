/** The terminal and npm both send a signal for one Ctrl-C. */
const ONE_WISH_MS = 1_000;
const LEAVE_WITHIN_MS = 1_900;

export interface Departure {
  /** Ends everything in order; called once. */
  leave(): Promise<void>;
  /** Asked again: whatever `leave` waits for should wait no longer. */
  hurry(): void;
}

/**
 * What signals mean. States: staying → (first signal) leaving, exit 0 when done → (another one, later than a second
 * after the first) hurrying: out within two seconds, whatever is left undone.
 */
export function leaveOnSignals(departure: Departure): void {
  let firstAt: number | undefined;
  let hurried = false;
  const asked = (): void => {
    if (firstAt === undefined) {
      firstAt = performance.now();
      departure.leave().then(
        () => process.exit(0),
        (error: unknown) => {
          console.error(describeFailure(error));
          process.exit(1);
        },
      );
    } else if (!hurried && performance.now() - firstAt > ONE_WISH_MS) {
      hurried = true;
      departure.hurry();
      setTimeout(() => process.exit(1), LEAVE_WITHIN_MS);
    }
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, asked);
}

/** One sentence for an operator; the stack only where there is no sentence. */
export function describeFailure(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = (error as NodeJS.ErrnoException).code;
  if (error.message !== '') return error.message;
  return code === undefined ? (error.stack ?? error.name) : code;
}
