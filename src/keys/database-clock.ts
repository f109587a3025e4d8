/**
 * The database's time, told by this process: learnt with each answer that carries it, and carried on by the monotonic
 * clock. The machine's own wall clock is never asked, so it may be an hour off. Right to within one round trip.
 */
export class DatabaseClock {
  private offset: number | undefined;

  constructor(private readonly monotonic: () => number = () => performance.now()) {}

  /** @param databaseTime as the server told it in an answer that just arrived */
  learn(databaseTime: Date): void {
    this.offset = databaseTime.getTime() - this.monotonic();
  }

  /** Has the moment passed? False while the time is not known: admission asks the database itself. */
  isPast(moment: Date | null): boolean {
    if (moment === null || this.offset === undefined) return false;
    return moment.getTime() <= this.monotonic() + this.offset;
  }
}
