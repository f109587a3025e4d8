import { setImmediate as turnOfTheLoop, setTimeout as sleep } from 'node:timers/promises';
import type { Queryable } from '../database/statement.ts';
import type { AdmissionRequest, Decision } from './admission.ts';
import { AdmissionQueue } from './admission-queue.ts';
import { KnownSessions } from './known-sessions.ts';
import { ShortLists } from './short-lists.ts';
import { Standings } from './standings.ts';
import { Strays } from './strays.ts';

/** Nobody waits for so long: what is gathered is sent for another reason, or the test ends first. */
const FOR_EVER_MS = 600_000;

describe('admissions on their way to the database', () => {
  /** How many each statement asked for. All are refused. */
  let statements: number[];
  let queue: AdmissionQueue;

  beforeEach(() => {
    statements = [];
    const db = { run: (_: unknown, values: readonly unknown[]) => Promise.resolve([refusals(values)]) };
    const replica = { current: () => 'epoch', aliveMs: 1, beat: () => Promise.resolve() };
    const lists = new ShortLists(new Standings(db as Queryable), new KnownSessions());
    const nothing = (): undefined => undefined;
    queue = new AdmissionQueue(
      db as Queryable,
      replica,
      new Strays(),
      lists,
      (rows) => statements.push(rows),
      nothing,
      FOR_EVER_MS,
    );
  });

  it('are sent at once behind a few, and what comes meanwhile is the next statement', async () => {
    await askFor(7);
    await askFor(1);
    await askFor(1);
    expect(statements).toEqual([7, 1, 1]);
  });

  it('are gathered behind many, until the statement is full', async () => {
    await askFor(8);
    const asked: Promise<unknown>[] = [];
    for (let one = 1; one < 64; one += 1) {
      asked.push(askFor(1));
      await turnOfTheLoop();
    }
    expect(statements).toEqual([8]);
    await Promise.all([...asked, askFor(1)]);
    expect(statements).toEqual([8, 64]);
  });

  it('wait for nobody where one of them has waited before, or the many are gone', async () => {
    await askFor(8);
    const asked = askFor(1);
    await queue.askUnless(() => false, request(), 'first');
    await asked;
    expect(statements).toEqual([8, 2]);
    await askFor(8);
    await sleep(60);
    await askFor(1);
    expect(statements).toEqual([8, 2, 8, 1]);
  });

  function askFor(count: number): Promise<Decision[]> {
    return Promise.all(Array.from({ length: count }, () => queue.ask(request())));
  }
});

let requests = 0;

function request(): AdmissionRequest {
  requests += 1;
  return {
    requestId: `request-${requests}`,
    keyId: 'key',
    keyVersion: 1n,
    lane: 'generate',
    door: 'claude',
    model: 'model',
    candidates: [{ accountId: 'account', version: 1n, tier: 0, modelFamily: 'model' }],
    kindOf: () => 'claude',
    hold: undefined,
  };
}

/** As the database says it; the ids of the requests are the twelfth array behind the epoch and its limit. */
function refusals(values: readonly unknown[]): { answer: string } {
  const count = String(values[13]).split(',').length;
  const each = (word: string): string => Array.from({ length: count }, () => word).join(',');
  return { answer: `0;${each('-1')};${each('0')}` };
}
