import { Refusal, type Exchange } from './exchange.ts';
import type { Fault } from './faults.ts';

/** A request that OpenAI refuses by itself, with the field it is about. */
export class OpenaiRefusal extends Refusal {
  readonly param: string | null;
  readonly code: string | null;

  constructor(
    status: number,
    message: string,
    about: { readonly param?: string; readonly code?: string; readonly type?: string } = {},
  ) {
    super(status, message, about.type);
    this.param = about.param ?? null;
    this.code = about.code ?? null;
  }
}

/** error.type by status (platform docs, "Error codes"); wrong keys and missing models are invalid requests as well. */
const TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'invalid_request_error',
  403: 'invalid_request_error',
  404: 'invalid_request_error',
  405: 'invalid_request_error',
  409: 'invalid_request_error',
  413: 'invalid_request_error',
  415: 'invalid_request_error',
  422: 'invalid_request_error',
  429: 'requests',
};

const CODES: Readonly<Record<number, string>> = {
  401: 'invalid_api_key',
  404: 'model_not_found',
  429: 'rate_limit_exceeded',
};

const MESSAGES: Readonly<Record<number, string>> = {
  401: 'Incorrect API key provided. You can find your API key at https://platform.openai.com/account/api-keys.',
  404: 'The model does not exist or you do not have access to it.',
  413: 'Maximum content size limit exceeded.',
  429: 'Rate limit reached for requests. Please try again in 20s.',
  500: 'The server had an error while processing your request. Sorry about that!',
  503: 'The engine is currently overloaded, please try again later.',
};

/** What an account's own refusals say; chosen by `reason`. */
const REASONS: Readonly<Record<string, readonly [type: string, code: string, message: string]>> = {
  'low-credit': [
    'insufficient_quota',
    'insufficient_quota',
    'You exceeded your current quota, please check your plan and billing details. For more information on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.',
  ],
  'spend-limit': [
    'invalid_request_error',
    'project_spend_limit_exceeded',
    'This project has reached its spend limit.',
  ],
  'org-disabled': [
    'invalid_request_error',
    'account_deactivated',
    'The OpenAI account associated with this API key has been deactivated.',
  ],
  country: [
    'request_forbidden',
    'unsupported_country_region_territory',
    'Country, region, or territory not supported',
  ],
};

/** The vendor's error document, as the fault describes it. */
export function openaiError(exchange: Exchange, fault: Fault, param: string | null = null): object {
  const status = fault.status ?? 500;
  const [type, code, said] = REASONS[fault.reason ?? ''] ?? [];
  const message = fault.message ?? said ?? MESSAGES[status] ?? `Refused with ${status}`;
  const quoted =
    fault.echo === true ? `${message} (API key ${exchange.credential.value ?? 'none'})` : message;
  return {
    error: {
      message: quoted,
      type: fault.type ?? type ?? TYPES[status] ?? (status >= 500 ? 'server_error' : 'invalid_request_error'),
      param,
      code: fault.code ?? code ?? CODES[status] ?? null,
    },
  };
}

/** The document of a refusal of its own: nothing in it comes from the status. */
export function refusalDocument({ status, message, type, param, code }: OpenaiRefusal): object {
  return { error: { message, type: type ?? TYPES[status] ?? 'server_error', param, code } };
}

export function missing(param: string): OpenaiRefusal {
  return invalid(param, 'missing_required_parameter', `Missing required parameter: '${param}'.`);
}

export function unknownParameter(param: string): OpenaiRefusal {
  return invalid(param, 'unknown_parameter', `Unknown parameter: '${param}'.`);
}

export function wrongType(param: string, expected: string, value: unknown): OpenaiRefusal {
  return invalid(
    param,
    'invalid_type',
    `Invalid type for '${param}': expected ${expected}, but got ${kindOf(value)} instead.`,
  );
}

export function wrongValue(param: string, value: unknown, supported: readonly string[]): OpenaiRefusal {
  const list = supported.map((one) => `'${one}'`).join(', ');
  return invalid(param, 'invalid_value', `Invalid value: '${String(value)}'. Supported values are: ${list}.`);
}

export function unsupportedParameter(param: string, instead?: string): OpenaiRefusal {
  const hint = instead === undefined ? '' : ` Use '${instead}' instead.`;
  return invalid(
    param,
    'unsupported_parameter',
    `Unsupported parameter: '${param}' is not supported with this model.${hint}`,
  );
}

export function unsupportedValue(param: string, value: unknown, supported: string): OpenaiRefusal {
  return invalid(
    param,
    'unsupported_value',
    `Unsupported value: '${param}' does not support ${JSON.stringify(value)} with this model. ${supported}`,
  );
}

export function tooLong(param: string, most: number, length: number): OpenaiRefusal {
  return invalid(
    param,
    'string_above_max_length',
    `Invalid '${param}': string too long. Expected a string with maximum length ${most}, but got a string with length ${length} instead.`,
  );
}

export function invalid(param: string, code: string | undefined, message: string): OpenaiRefusal {
  return new OpenaiRefusal(400, message, { param, ...(code === undefined ? {} : { code }) });
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  switch (typeof value) {
    case 'object':
      return 'an object';
    case 'number':
      return Number.isInteger(value) ? 'an integer' : 'a decimal number';
    default:
      return `a ${typeof value}`;
  }
}
