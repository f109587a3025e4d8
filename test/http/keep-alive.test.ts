import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { ServerResponse } from 'node:http';
import { Rehearsal } from '../support/relay.ts';
import { contents, message, MESSAGES, STREAM } from '../support/simulated-calls.ts';
import { onWire, sha256 } from '../support/wire-client.ts';

/** The one thing that is ever added to an answer, and where it may stand. */

const COMMENT = ': keep-alive\n\n';

let rehearsal: Rehearsal;
let key: string;

beforeAll(async () => {
  rehearsal = await Rehearsal.start({ RELAY_KEEPALIVE_MS: '600' });
  await rehearsal.claudeAccount();
  await rehearsal.geminiAccount();
  key = (await rehearsal.key()).key;
});
afterEach(() => rehearsal.quiet());
afterAll(() => rehearsal.close());

describe('a keep-alive', () => {
  const ask = (path: string, body: string) =>
    onWire(`${rehearsal.url}${path}`, {
      headers: {
        'x-api-key': key,
        'content-type': 'application/json',
        'anthropic-version': '2023-06-01',
      },
      body,
    });
  const sentTo = (marker: string) => rehearsal.simulator.find(marker)?.answerSha256;

  it('stands between two events while the upstream is silent, and is all that is added', async () => {
    const cases = [
      ['claude', MESSAGES, message('marker=claude deltas=3 hang=4 hang-for=2000', { stream: true }), '\n\n'],
      ['gemini', `${STREAM}?alt=sse`, contents('marker=gemini deltas=3 hang=2 hang-for=2000'), '\r\n\r\n'],
      ['early', MESSAGES, message('marker=early deltas=2 hang=0 hang-for=2000', { stream: true }), ''],
    ] as const;
    await Promise.all(
      cases.map(async ([marker, path, body, end]) => {
        const answer = await ask(path, body);
        const parts = answer.text.split(COMMENT);
        expect([marker, parts.length > 2]).toEqual([marker, true]);
        expect(parts[0]?.endsWith(end)).toBe(true);
        expect(parts[0] === '').toBe(marker === 'early');
        // One run of silence: between its first comment and its last there is nothing.
        expect(parts.slice(1, -1).join('')).toBe('');
        expect(sha256(parts.join(''))).toBe(sentTo(marker));
        expect(answer.headers['x-relay-edits']).toBe('none');
      }),
    );
    const rows = await rehearsal.ledger(3);
    expect(rows.map((row) => row['outcome'])).toEqual(['completed', 'completed', 'completed']);
  });

  it('never comes inside an event, in an answer without events, or while events come', async () => {
    const whole = await ask(`${STREAM}?alt=sse`, contents('marker=crlf deltas=3'));
    const insideEnd = whole.body.indexOf('\r\n\r\n') + 3;
    const cases = [
      ['event', MESSAGES, message('marker=event deltas=3 hang=700b hang-for=1500', { stream: true })],
      ['crlf', `${STREAM}?alt=sse`, contents(`marker=crlf deltas=3 hang=${insideEnd}b hang-for=1500`)],
      ['json', MESSAGES, message('marker=json hang=100b hang-for=1500')],
      ['large', MESSAGES, message('marker=large large=2mb hang=1500000b hang-for=1500')],
      ['array', STREAM, contents('marker=array deltas=3 hang=2 hang-for=1500')],
      ['steady', MESSAGES, message('marker=steady deltas=45 every=20', { stream: true })],
    ] as const;
    await Promise.all(
      cases.map(async ([marker, path, body]) => {
        const answer = await ask(path, body);
        expect([marker, answer.text.includes('keep-alive')]).toEqual([marker, false]);
        expect([marker, answer.sha256]).toEqual([marker, sentTo(marker)]);
      }),
    );
  });

  it('that fills the socket behind the last event does not keep the call open', async () => {
    // As Node answers where these few bytes are the ones too many; it tells no drain behind an end.
    const fill = (started: unknown): void => {
      const { response } = started as { response: ServerResponse };
      const write = response.write.bind(response) as (...of: unknown[]) => boolean;
      response.write = (...of: unknown[]) => write(...of) && of[0] !== COMMENT;
    };
    subscribe('http.server.request.start', fill);
    try {
      const body = message('marker=full deltas=3 hang=tail hang-for=1500', { stream: true });
      const answer = await ask(MESSAGES, body);
      expect(answer.text).toContain(COMMENT);
      expect(sha256(answer.text.replaceAll(COMMENT, ''))).toBe(sentTo('full'));
    } finally {
      unsubscribe('http.server.request.start', fill);
    }
    expect((await rehearsal.lastRow())['outcome']).toBe('completed');
  });
});
