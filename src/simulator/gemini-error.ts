import type { Fault } from './faults.ts';

/** google.rpc status by HTTP status (wire formats, Gemini errors). */
const STATUSES: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  405: 'UNIMPLEMENTED',
  429: 'RESOURCE_EXHAUSTED',
  499: 'CANCELLED',
  500: 'INTERNAL',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
};

const MESSAGES: Readonly<Record<string, string>> = {
  API_KEY_INVALID: 'API key not valid. Please pass a valid API key.',
  API_KEY_EXPIRED: 'API key expired. Please renew the API key.',
  CONSUMER_SUSPENDED: 'Permission denied: Consumer has been suspended.',
  SERVICE_DISABLED: 'Generative Language API has not been used in project 1 before or it is disabled.',
  FAILED_PRECONDITION: 'User location is not supported for the API use.',
  UNAUTHENTICATED: 'Request had invalid authentication credentials.',
  RESOURCE_EXHAUSTED:
    'You exceeded your current quota, please check your plan and billing details. For more information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits.',
  UNAVAILABLE: 'The model is overloaded. Please try again later.',
  INTERNAL: 'An internal error has occurred. Please retry or report.',
  DEADLINE_EXCEEDED: 'The request timed out. Please try again.',
};

/** The vendor's error document. `reason` becomes ErrorInfo, or FAILED_PRECONDITION; 429 tells quota and delay. */
export function geminiError(fault: Fault, model: string | undefined, credential: string | undefined): object {
  const code = fault.status ?? 500;
  const precondition = fault.reason === 'FAILED_PRECONDITION';
  const status = fault.type ?? (precondition ? 'FAILED_PRECONDITION' : (STATUSES[code] ?? 'UNKNOWN'));
  const said = fault.message ?? MESSAGES[fault.reason ?? ''] ?? MESSAGES[status] ?? `Refused with ${code}`;
  const message = fault.echo === true ? `${said} (key ${credential ?? 'none'})` : said;
  const details = [
    ...(status === 'RESOURCE_EXHAUSTED' ? quotaDetails(fault, model) : []),
    ...(fault.reason === undefined || precondition ? [] : reasonDetails(fault.reason, message)),
  ];
  return { error: { code, message, status, ...(details.length === 0 ? {} : { details }) } };
}

function quotaDetails(fault: Fault, model: string | undefined): object[] {
  const period = fault.quota ?? 'PerMinute';
  return [
    {
      '@type': 'type.googleapis.com/google.rpc.QuotaFailure',
      violations: [
        {
          quotaMetric: 'generativelanguage.googleapis.com/generate_content_requests',
          quotaId: `GenerateRequests${period}PerProjectPerModel`,
          quotaDimensions: { location: 'global', model: model ?? 'unknown' },
          quotaValue: '10',
        },
      ],
    },
    {
      '@type': 'type.googleapis.com/google.rpc.Help',
      links: [
        {
          description: 'Learn more about Gemini API quotas',
          url: 'https://ai.google.dev/gemini-api/docs/rate-limits',
        },
      ],
    },
    { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: fault.retryDelay ?? '22s' },
  ];
}

function reasonDetails(reason: string, message: string): object[] {
  return [
    {
      '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
      reason,
      domain: 'googleapis.com',
      metadata: { service: 'generativelanguage.googleapis.com' },
    },
    { '@type': 'type.googleapis.com/google.rpc.LocalizedMessage', locale: 'en-US', message },
  ];
}
