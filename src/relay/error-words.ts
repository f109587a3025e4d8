import type { AnswerFailure, Dialect, DialectError, ErrorKind } from '../dialects/dialect.ts';
import type { RelayError } from '../errors/relay-error.ts';

/** What a client is told of a failure, whatever dialect it was told in. */
export type ErrorWords = Pick<RelayError, 'kind' | 'status' | 'message'>;

export function dialectError(error: ErrorWords, requestId: string): DialectError {
  return { kind: error.kind, status: error.status, message: error.message, requestId };
}

const KINDS: Readonly<Record<number, ErrorKind>> = {
  400: 'invalid-request',
  401: 'unavailable',
  402: 'unavailable',
  403: 'unavailable',
  404: 'not-found',
  408: 'gateway-timeout',
  413: 'too-large',
  415: 'unsupported-media',
  422: 'invalid-request',
  424: 'bad-gateway',
  429: 'rate-limit',
  500: 'internal',
  502: 'bad-gateway',
  503: 'unavailable',
  504: 'gateway-timeout',
  529: 'unavailable',
};

/** Vendors name in-stream errors without a status; their names tell enough. */
const BY_NAME: readonly (readonly [RegExp, number])[] = [
  [/overload|unavailable|not_?ready/i, 503],
  [/rate_?limit|throttl|exhausted|quota/i, 429],
  [/timeout|deadline/i, 504],
  [/invalid|validation|argument/i, 400],
  [/not_?found/i, 404],
];

/** A vendor's refusal in the words of another dialect; statuses that only one vendor knows become the nearest common one. */
export function foreignRefusal(dialect: Dialect, status: number, body: Buffer): ErrorWords {
  const message = dialect.readError(body)?.message ?? `The upstream answered with status ${status}`;
  return wordsOf(status, message);
}

/** A vendor's in-stream error in the words of another dialect. */
export function foreignFailure({ type, message, status }: AnswerFailure): ErrorWords {
  const known = status !== undefined && status >= 400 ? status : undefined;
  return wordsOf(known ?? BY_NAME.find(([name]) => name.test(type))?.[1] ?? 500, message);
}

function wordsOf(status: number, message: string): ErrorWords {
  const common = status === 529 ? 503 : status;
  const kind = KINDS[status] ?? (status < 500 ? 'invalid-request' : 'bad-gateway');
  return { kind, status: common, message };
}
