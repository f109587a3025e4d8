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
  /** How many each statement asks for. All are refused. */
  let statements: number[];
  /** Lets the statement in flight be answered. */
  let answer: () => void;

  function queueOf(gatherMs: number, workers = 1): AdmissionQueue {
    const db: Queryable = {
      run: <Row>(_: unknown, values: readonly unknown[]) => {
        const { rows, told } = refusals(values);
        statements.push(rows);
        return new Promise<Row[]>((resolve) => {
          answer = () => resolve([told as Row]);
        });
      },
    };
    const replica = { current: () => 'epoch', aliveMs: 1, beat: () => Promise.resolve() };
    const lists = new ShortLists(new Standings(db), new KnownSessions());
    const nothing = (): undefined => undefined;
    return new AdmissionQueue(db, replica, new Strays(), lists, nothing, nothing, workers, gatherMs);
  }

  beforeEach(() => {
    statements = [];
  });

  it('are sent in one statement at a time: who comes while it is in flight is in the next', async () => {
    const queue = queueOf(FOR_EVER_MS);
    const asked = [ask(queue, 7)];
    await turnOfTheLoop();
    asked.push(ask(queue, 1), ask(queue, 2));
    await turnOfTheLoop();
    expect(statements).toEqual([7]);
    answer();
    await asked[0];
    await turnOfTheLoop();
    expect(statements).toEqual([7, 3]);
    answer();
    await Promise.all(asked);
  });

  it('are sent at once behind many whom nobody waited behind', async () => {
    const queue = queueOf(FOR_EVER_MS);
    await crowd(queue, 63);
    const one = ask(queue, 1);
    await turnOfTheLoop();
    expect(statements).toEqual([63, 1]);
    answer();
    await one;
  });

  it('are gathered where some waited behind many, until the statement is full', async () => {
    const queue = queueOf(FOR_EVER_MS);
    const asked = await twoCrowds(queue);
    for (let more = 2; more < 64; more += 1) {
      asked.push(ask(queue, 1));
      await turnOfTheLoop();
    }
    expect(statements).toEqual([8]);
    asked.push(ask(queue, 1));
    await turnOfTheLoop();
    await turnOfTheLoop();
    expect(statements).toEqual([8, 64]);
    answer();
    await Promise.all(asked);
  });

  it('are gathered for no longer than is said, and not with one that was asked for before', async () => {
    const soon = queueOf(5);
    const gathered = await twoCrowds(soon);
    expect(statements).toEqual([8]);
    while (statements.length < 2) await turnOfTheLoop();
    answer();
    await Promise.all(gathered);

    statements = [];
    const late = queueOf(FOR_EVER_MS);
    const asked: Promise<unknown>[] = await twoCrowds(late);
    asked.push(late.askUnless(() => false, request(), 'first'));
    await turnOfTheLoop();
    expect(statements).toEqual([8, 2]);
    answer();
    await Promise.all(asked);
  });

  it('are sent at once behind one who was asked for before, however many came before that', async () => {
    const queue = queueOf(FOR_EVER_MS);
    await crowd(queue, 9);
    const again = queue.askUnless(() => false, request(), 'first');
    await turnOfTheLoop();
    await turnOfTheLoop();
    const one = ask(queue, 1);
    answer();
    await again;
    await turnOfTheLoop();
    await turnOfTheLoop();
    expect(statements).toEqual([9, 1, 1]);
    answer();
    await one;
  });

  it('are held by one of several workers until a crowd that came lately has come again, and no longer', async () => {
    const queue = queueOf(FOR_EVER_MS, 2);
    await crowd(queue, 9);
    const asked = [ask(queue, 8)];
    await turnOfTheLoop();
    expect(statements).toEqual([9]);
    asked.push(ask(queue, 1));
    await turnOfTheLoop();
    await turnOfTheLoop();
    expect(statements).toEqual([9, 9]);
    answer();
    await Promise.all(asked);

    statements = [];
    const soon = queueOf(5, 2);
    await crowd(soon, 9);
    const fewer = ask(soon, 1);
    while (statements.length < 2) await turnOfTheLoop();
    answer();
    await fewer;
    const alone = ask(soon, 1);
    await turnOfTheLoop();
    expect(statements).toEqual([9, 1, 1]);
    answer();
    await alone;
  });

  it('are not held for a crowd that does not come again soon, nor for those who were asked for before', async () => {
    const queue = queueOf(4, 2);
    await crowd(queue, 9);
    await sleep(30);
    const late = ask(queue, 1);
    await turnOfTheLoop();
    expect(statements).toEqual([9, 1]);
    answer();
    await late;

    statements = [];
    const other = queueOf(FOR_EVER_MS, 2);
    const again = Promise.all(
      Array.from({ length: 9 }, () => other.askUnless(() => false, request(), 'first')),
    );
    await turnOfTheLoop();
    answer();
    await again;
    const one = ask(other, 1);
    await turnOfTheLoop();
    await turnOfTheLoop();
    expect(statements).toEqual([9, 1]);
    answer();
    await one;
  });

  it('leave out those whose client has left meanwhile', async () => {
    const queue = queueOf(5);
    const asked: Promise<unknown>[] = await twoCrowds(queue);
    const left = queue.askUnless(() => true, request());
    while (statements.length < 2) await turnOfTheLoop();
    answer();
    await Promise.all(asked);
    expect(await left).toBeUndefined();
    expect(statements).toEqual([8, 1]);
  });

  /** So many are answered, and nobody waits behind them. */
  async function crowd(queue: AdmissionQueue, count: number): Promise<void> {
    const many = ask(queue, count);
    await turnOfTheLoop();
    answer();
    await many;
  }

  /** Eight are answered, while one waits. */
  async function twoCrowds(queue: AdmissionQueue): Promise<Promise<unknown>[]> {
    const many = ask(queue, 8);
    await turnOfTheLoop();
    const one = ask(queue, 1);
    answer();
    await many;
    await turnOfTheLoop();
    return [one];
  }

  function ask(queue: AdmissionQueue, count: number): Promise<Decision[]> {
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
function refusals(values: readonly unknown[]): { rows: number; told: { answer: string } } {
  const rows = String(values[13]).split(',').length;
  const each = (word: string): string => Array.from({ length: rows }, () => word).join(',');
  return { rows, told: { answer: `0;${each('-1')};${each('0')}` } };
}
