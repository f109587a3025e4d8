import { DatabaseUnavailable } from '../../src/database/database-unavailable.ts';
import type { Queryable, Statement } from '../../src/database/statement.ts';

type Fault = (statement: Statement, run: () => Promise<unknown>) => Promise<unknown>;

/** Between a scheduler and its pools: faults on request, each statement by its turn. */
export class UnsteadyDatabase {
  /** While true, nothing gets through and nothing is sent. */
  away = false;
  /** Statements of these names get no answer, whatever the others get. */
  readonly unanswered = new Set<string>();
  private readonly faults: { readonly name: string; readonly fault: Fault }[] = [];

  /** For `SchedulingRig.replica`. */
  readonly wrap = (db: Queryable): Queryable => ({
    run: async <Row>(statement: Statement, values: readonly unknown[]): Promise<Row[]> => {
      if (this.away) throw new DatabaseUnavailable('connection');
      if (this.unanswered.has(statement.name)) throw new DatabaseUnavailable('timeout');
      const run = () => db.run<Row>(statement, values);
      const at = this.faults.findIndex(({ name }) => name === statement.name);
      const [next] = at < 0 ? [] : this.faults.splice(at, 1);
      return next === undefined ? run() : ((await next.fault(statement, run)) as Row[]);
    },
  });

  /** The next statement of that name meets the fault; again and again for more calls. */
  next(name: string, fault: Fault): void {
    this.faults.push({ name, fault });
  }

  /** The server says no and rolls back. */
  static readonly says =
    (code: string): Fault =>
    () =>
      Promise.reject(Object.assign(new Error(code), { code, severity: 'ERROR' }));

  /** Committed, but the answer is lost with the connection. */
  static readonly answerLost: Fault = async (_statement, run) => {
    await run();
    throw new DatabaseUnavailable('connection');
  };

  /** Given up after `ms`; the server carries it out all the same, `later` ms after that. */
  static readonly late =
    (ms: number, later: number, ran: () => void): Fault =>
    async (_statement, run) => {
      await new Promise((resolve) => setTimeout(resolve, ms));
      setTimeout(() => void run().finally(ran), later);
      throw new DatabaseUnavailable('timeout');
    };
}
