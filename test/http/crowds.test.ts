import { randomUUID } from 'node:crypto';
import { asking, type Asking, onlyRow, send, WAYS } from '../support/asking.ts';
import { answersIn, openSocket, rawRequest, readAll } from '../support/raw-http.ts';
import { Rehearsal } from '../support/relay.ts';

/** Many calls that begin and end together: what one turn of the loop gathers for all is each one's own in the end. */

const CALLS = 140;

let rehearsal: Rehearsal;
let key: string;

beforeAll(async () => {
  rehearsal = await Rehearsal.start();
  const accounts = [
    await rehearsal.claudeAccount(),
    await rehearsal.geminiAccount(),
    await rehearsal.openaiAccount(),
  ];
  key = (await rehearsal.key({ accounts: accounts.map(({ id }) => id) })).key;
});
afterEach(() => rehearsal.quiet());
afterAll(() => rehearsal.close());

interface Marked {
  readonly marker: string;
  readonly one: Asking;
}

const marked = (at: number): Marked => {
  const marker = randomUUID();
  const way = WAYS[at % WAYS.length] ?? 'Claude JSON';
  return { marker, one: asking(way, key, `[[sim: marker=${marker} say="${marker} ${'x'.repeat(at)}"]]`) };
};

it('have each its own whole answer and its own row', async () => {
  const calls = Array.from({ length: CALLS }, (_, at) => marked(at));
  const answers = await Promise.all(calls.map(({ one }) => send(rehearsal.url, one)));
  for (const [at, { marker, one }] of calls.entries()) {
    const answer = answers[at];
    expect(answer).toMatchObject({ status: 200, broken: false });
    expect(answer?.sha256).toBe(rehearsal.simulator.find(marker)?.answerSha256);
    expect(await onlyRow(rehearsal, one)).toMatchObject({ outcome: 'completed', estimated: false });
  }
});

it('have their answers in the order of their requests where they share a connection', async () => {
  const beside = Array.from({ length: 40 }, (_, at) => send(rehearsal.url, marked(at).one));
  const calls = Array.from({ length: 3 * WAYS.length }, (_, at) => marked(at));
  const socket = await openSocket(rehearsal.url);
  const read = readAll(socket);
  const requests = calls.map(({ one: { path, headers, body } }, at) => {
    const last = at === calls.length - 1;
    const lines = Object.entries({ ...headers, connection: last ? 'close' : 'keep-alive' });
    return rawRequest('POST', path, lines, body);
  });
  socket.write(Buffer.concat(requests));
  const answers = answersIn(await read);
  expect(answers.map(({ status }) => status)).toEqual(calls.map(() => 200));
  for (const [at, { marker }] of calls.entries()) expect(answers[at]?.body).toContain(marker);
  for (const answer of await Promise.all(beside)) expect(answer.broken).toBe(false);
});
