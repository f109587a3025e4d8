import { randomUUID } from 'node:crypto';
import { eventually } from './eventually.ts';
import type { Rehearsal } from './relay.ts';
import { onWire, type WireAnswer, type WireRequest } from './wire-client.ts';

/** The five ways in which an answer travels, each as a plain HTTP client asks for it. */
export type Way = 'Claude SSE' | 'Claude JSON' | 'Gemini SSE' | 'Gemini array' | 'Gemini JSON';

export const WAYS: readonly Way[] = [
  'Claude SSE',
  'Claude JSON',
  'Gemini SSE',
  'Gemini array',
  'Gemini JSON',
];
export const STREAMS: readonly Way[] = ['Claude SSE', 'Gemini SSE', 'Gemini array'];

export const isClaude = (way: Way): boolean => way.startsWith('Claude');

/** Current and priced. */
const CLAUDE_MODEL = 'claude-sonnet-5';
const GEMINI = '/v1beta/models/gemini-2.5-flash:';

const PATHS: Readonly<Record<Way, string>> = {
  'Claude SSE': '/v1/messages',
  'Claude JSON': '/v1/messages',
  'Gemini SSE': `${GEMINI}streamGenerateContent?alt=sse`,
  'Gemini array': `${GEMINI}streamGenerateContent`,
  'Gemini JSON': `${GEMINI}generateContent`,
};

export interface Asking {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Stands in the ledger row. */
  readonly clientRequestId: string;
}

/** A request whose last user message is `text`, simulator's directives and all. */
export function asking(way: Way, key: string, text: string): Asking {
  const clientRequestId = randomUUID();
  const told = isClaude(way)
    ? {
        model: CLAUDE_MODEL,
        max_tokens: 4096,
        stream: way === 'Claude SSE',
        messages: [{ role: 'user', content: text }],
      }
    : { contents: [{ role: 'user', parts: [{ text }] }] };
  return {
    path: PATHS[way],
    headers: {
      'content-type': 'application/json',
      'x-request-id': clientRequestId,
      ...(isClaude(way)
        ? { 'x-api-key': key, 'anthropic-version': '2023-06-01' }
        : { 'x-goog-api-key': key }),
    },
    body: JSON.stringify(told),
    clientRequestId,
  };
}

/** Sends it and reads the whole answer, as bytes. */
export function send(
  url: string,
  { path, headers, body }: Asking,
  more: WireRequest = {},
): Promise<WireAnswer> {
  return onWire(url + path, { ...more, headers: { ...headers, ...more.headers }, body });
}

/** The ledger row of a call, once it is there; there must be no second one. */
export async function onlyRow(
  rehearsal: Rehearsal,
  { clientRequestId }: Pick<Asking, 'clientRequestId'>,
): Promise<Readonly<Record<string, unknown>>> {
  const rows = await eventually(async () => {
    const found = await rehearsal.sql('select * from ledger where client_request_id = $1', [clientRequestId]);
    expect(found.length).toBeGreaterThan(0);
    return found;
  });
  expect(rows).toHaveLength(1);
  return rows[0] as Readonly<Record<string, unknown>>;
}
