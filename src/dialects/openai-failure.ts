import type { AnswerFailure } from './dialect.ts';

/** HTTP statuses of OpenAI's error types and codes (platform docs, "Error codes"). */
const STATUS: Readonly<Record<string, number>> = {
  invalid_request_error: 400,
  authentication_error: 401,
  invalid_api_key: 401,
  permission_error: 403,
  not_found_error: 404,
  rate_limit_error: 429,
  rate_limit_exceeded: 429,
  slow_down: 429,
  insufficient_quota: 429,
  server_error: 500,
  timeout_error: 504,
  overloaded_error: 503,
};

/** What an error of this dialect may hold, each field of any kind: compatible servers are careless about it. */
export interface ToldError {
  readonly type?: unknown;
  readonly code?: unknown;
  readonly message?: unknown;
}

/** The error's name is its code, where it has a text for one; the status is a numeric code, or what the name has. */
export function openaiFailure({ type, code, message }: ToldError): AnswerFailure {
  const names = [code, type].filter((name): name is string => typeof name === 'string' && name !== '');
  const named = names.find((name) => !/^\d+$/.test(name)) ?? 'error';
  const status = [code, ...names].map(statusOf).find((known) => known !== undefined);
  return {
    type: named,
    message: typeof message === 'string' ? message : '',
    ...(status === undefined ? {} : { status }),
  };
}

function statusOf(name: unknown): number | undefined {
  if (typeof name === 'string' && Object.hasOwn(STATUS, name)) return STATUS[name];
  const status = Number(name);
  return Number.isInteger(status) && status >= 400 && status <= 599 ? status : undefined;
}

/**
 * An error document as OpenAI writes it, or one of those that compatible servers write: `error` as a text (Ollama's own
 * paths), the error on top (vLLM before 0.10), or FastAPI's `detail`. Undefined: it is none of them.
 */
export function readOpenaiError(body: Buffer): AnswerFailure | undefined {
  const document = objectIn(body);
  if (document === undefined) return undefined;
  const { error, detail, message } = document;
  if (typeof error === 'string') return openaiFailure({ message: error });
  if (typeof error === 'object' && error !== null) return openaiFailure(error);
  if (typeof message === 'string') return openaiFailure(document);
  if (typeof detail === 'string') return openaiFailure({ message: detail });
  const first: unknown = Array.isArray(detail) ? detail[0] : undefined;
  const { msg } = (first ?? {}) as { readonly msg?: unknown };
  return typeof msg === 'string' ? openaiFailure({ message: msg }) : undefined;
}

function objectIn(body: Buffer): Readonly<Record<string, unknown>> | undefined {
  try {
    let document: unknown = JSON.parse(body.toString('utf8'));
    if (Array.isArray(document)) document = document[0];
    return typeof document === 'object' && document !== null
      ? (document as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
