import type { AnswerFailure, Dialect, DialectError, ErrorKind } from './dialect.ts';
import { errorIn } from './error-object.ts';
import { geminiReader } from './gemini-reader.ts';
import { HeaderList } from './header-list.ts';

/** Google's canonical error codes (google.rpc.Code), as the Gemini API names them in `error.status`. */
const STATUSES: Readonly<Record<ErrorKind, string>> = {
  authentication: 'UNAUTHENTICATED',
  permission: 'PERMISSION_DENIED',
  'not-found': 'NOT_FOUND',
  'invalid-request': 'INVALID_ARGUMENT',
  'too-large': 'INVALID_ARGUMENT',
  'unsupported-media': 'INVALID_ARGUMENT',
  'request-timeout': 'DEADLINE_EXCEEDED',
  'rate-limit': 'RESOURCE_EXHAUSTED',
  budget: 'RESOURCE_EXHAUSTED',
  'bad-gateway': 'UNAVAILABLE',
  'gateway-timeout': 'DEADLINE_EXCEEDED',
  unavailable: 'UNAVAILABLE',
  internal: 'INTERNAL',
};

/** Gemini CLI takes a quota id with `PerDay` in it for one that waiting does not help. */
const SPENT = [
  {
    '@type': 'type.googleapis.com/google.rpc.QuotaFailure',
    violations: [{ quotaMetric: 'relay/budget', quotaId: 'RelayBudgetPerDayPerKey' }],
  },
];

/** The Gemini API (generativelanguage). */
export const gemini: Dialect = {
  name: 'gemini',
  answerHeaders: new HeaderList('content-type', 'x-gemini-service-tier', 'retry-after', 'retry-after-ms'),
  contentType: (framing) => (framing === 'sse' ? 'text/event-stream' : 'application/json'),
  reader: geminiReader,
  errorBody,
  readError,
  errorFrame(error, framing, empty) {
    const body = errorBody(error);
    if (framing === 'sse') return `data: ${body}\r\n\r\n`;
    return empty ? `[${body}]` : `,\r\n${body}\r\n]`;
  },
};

function errorBody({ kind, status, message }: DialectError): string {
  const error = { code: status, message, status: STATUSES[kind] };
  return JSON.stringify({ error: kind === 'budget' ? { ...error, details: SPENT } : error });
}

function readError(body: Buffer): AnswerFailure | undefined {
  const { status, message, code } = errorIn(body) ?? {};
  if (typeof message !== 'string') return undefined;
  const type = typeof status === 'string' ? status : 'UNKNOWN';
  return { type, message, ...(typeof code === 'number' ? { status: code } : {}) };
}
