import { randomUUID } from 'node:crypto';
import { eventually } from './eventually.ts';
import type { CreatedAccount, Rehearsal } from './relay.ts';
import { onWire, type WireAnswer, type WireRequest } from './wire-client.ts';

/** The ways in which an answer travels, each as a plain HTTP client asks for it, by the vendor who serves it. */
export type Way =
  'Claude SSE' | 'Claude JSON' | 'Gemini SSE' | 'Gemini array' | 'Gemini JSON' | 'OpenAI SSE' | 'OpenAI JSON';

export type Vendor = 'Claude' | 'Gemini' | 'OpenAI';

export const WAYS: readonly Way[] = [
  'Claude SSE',
  'Claude JSON',
  'Gemini SSE',
  'Gemini array',
  'Gemini JSON',
  'OpenAI SSE',
  'OpenAI JSON',
];
export const STREAMS: readonly Way[] = ['Claude SSE', 'Gemini SSE', 'Gemini array', 'OpenAI SSE'];
export const DOCUMENTS: readonly Way[] = ['Claude JSON', 'Gemini JSON', 'OpenAI JSON'];

export const vendorOf = (way: Way): Vendor => way.split(' ')[0] as Vendor;

export const isClaude = (way: Way): boolean => way.startsWith('Claude');

/** Current and priced. */
const CLAUDE_MODEL = 'claude-sonnet-5';
const OPENAI_MODEL = 'gpt-4.1';
const GEMINI = '/v1beta/models/gemini-2.5-flash:';

const PATHS: Readonly<Record<Way, string>> = {
  'Claude SSE': '/v1/messages',
  'Claude JSON': '/v1/messages',
  'Gemini SSE': `${GEMINI}streamGenerateContent?alt=sse`,
  'Gemini array': `${GEMINI}streamGenerateContent`,
  'Gemini JSON': `${GEMINI}generateContent`,
  'OpenAI SSE': '/v1/chat/completions',
  'OpenAI JSON': '/v1/chat/completions',
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
  const body = JSON.stringify(bodyOf(way, text));
  return {
    path: PATHS[way],
    headers: {
      'content-type': 'application/json',
      'x-request-id': clientRequestId,
      ...headersOf(vendorOf(way), key),
    },
    body,
    clientRequestId,
  };
}

function bodyOf(way: Way, text: string): object {
  const messages = [{ role: 'user', content: text }];
  switch (vendorOf(way)) {
    case 'Claude':
      return { model: CLAUDE_MODEL, max_tokens: 4096, stream: way === 'Claude SSE', messages };
    case 'Gemini':
      return { contents: [{ role: 'user', parts: [{ text }] }] };
    case 'OpenAI': {
      // Who asks for the usage itself gets every byte of the answer.
      const streamed = way === 'OpenAI SSE' && { stream: true, stream_options: { include_usage: true } };
      return { model: OPENAI_MODEL, ...streamed, messages };
    }
  }
}

function headersOf(vendor: Vendor, key: string): Readonly<Record<string, string>> {
  switch (vendor) {
    case 'Claude':
      return { 'x-api-key': key, 'anthropic-version': '2023-06-01' };
    case 'Gemini':
      return { 'x-goog-api-key': key };
    case 'OpenAI':
      return { authorization: `Bearer ${key}` };
  }
}

/** An account of the vendor who serves this way. */
export function accountFor(rehearsal: Rehearsal, way: Way, more: object = {}): Promise<CreatedAccount> {
  switch (vendorOf(way)) {
    case 'Claude':
      return rehearsal.claudeAccount(more);
    case 'Gemini':
      return rehearsal.geminiAccount(more);
    case 'OpenAI':
      return rehearsal.openaiAccount(more);
  }
}

/** Sends it and reads the whole answer, as bytes. */
export function send(
  url: string,
  { path, headers, body }: Asking,
  more: WireRequest = {},
): Promise<WireAnswer> {
  return onWire(url + path, { ...more, headers: { ...headers, ...more.headers }, body });
}

/** The ledger rows of a call, one for each attempt, once `least` of them are there. */
export async function rowsOf(
  rehearsal: Rehearsal,
  { clientRequestId }: Pick<Asking, 'clientRequestId'>,
  least = 1,
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  return eventually(async () => {
    const found = await rehearsal.sql('select * from ledger where client_request_id = $1 order by attempt', [
      clientRequestId,
    ]);
    expect(found.length).toBeGreaterThanOrEqual(least);
    return found;
  });
}

/** The ledger row of a call, once it is there; there must be no second one. */
export async function onlyRow(
  rehearsal: Rehearsal,
  one: Pick<Asking, 'clientRequestId'>,
): Promise<Readonly<Record<string, unknown>>> {
  const rows = await rowsOf(rehearsal, one);
  expect(rows).toHaveLength(1);
  return rows[0] as Readonly<Record<string, unknown>>;
}
