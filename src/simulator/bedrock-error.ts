import type { Fault } from './faults.ts';

/** Exceptions by HTTP status (AWS Bedrock API reference, InvokeModel and Converse, "Errors"). */
const NAMES: Readonly<Record<number, string>> = {
  400: 'ValidationException',
  403: 'AccessDeniedException',
  404: 'ResourceNotFoundException',
  405: 'ValidationException',
  408: 'ModelTimeoutException',
  409: 'ConflictException',
  413: 'ValidationException',
  424: 'ModelErrorException',
  429: 'ThrottlingException',
  500: 'InternalServerException',
  503: 'ServiceUnavailableException',
};

const MESSAGES: Readonly<Record<string, string>> = {
  AccessDeniedException: "You don't have access to the model with the specified model ID.",
  InternalServerException:
    'The system encountered an unexpected error during processing. Try your request again.',
  ModelErrorException: 'The model returned an error while it processed the request.',
  ModelNotReadyException: 'The model is not ready for inference. Wait and try your request again.',
  ModelStreamErrorException: 'The model stream returned an error.',
  ModelTimeoutException: 'The model took longer than the timeout period to process the request.',
  ResourceNotFoundException: 'The provided model identifier was not found.',
  ServiceQuotaExceededException: 'You have exceeded the service quota for your account.',
  ServiceUnavailableException: 'Bedrock is unable to process your request.',
  ThrottlingException: 'Too many requests, please wait before trying again.',
};

/** An account's own troubles, chosen by `reason`: the exception, its status and what it says. */
const REASONS: Readonly<Record<string, readonly [name: string, message: string]>> = {
  'tokens-per-day': ['ThrottlingException', 'Too many tokens per day, please wait before trying again.'],
  'tokens-per-minute': ['ThrottlingException', 'Too many tokens, please wait before trying again.'],
  'use-case-form': [
    'ResourceNotFoundException',
    'Model use case details have not been submitted for this account. Fill out the Anthropic use case details form before using the model.',
  ],
  'bad-key': ['AccessDeniedException', 'Authentication failed: Please make sure your API Key is valid.'],
  'expired-key': ['AccessDeniedException', 'Bearer Token has expired'],
};

export interface AwsException {
  /** `ThrottlingException`; `type` may say any. */
  readonly name: string;
  readonly message: string;
}

export function awsException(fault: Fault, credential: string | undefined): AwsException {
  const reason = REASONS[fault.reason ?? ''];
  const status = fault.status ?? 500;
  const usual = NAMES[status] ?? (status >= 500 ? 'InternalServerException' : 'ValidationException');
  const name = fault.type ?? reason?.[0] ?? usual;
  const said = fault.message ?? reason?.[1] ?? MESSAGES[name] ?? `Refused with ${status}`;
  return { name, message: fault.echo === true ? `${said} (credential ${credential ?? 'none'})` : said };
}

/** `ThrottlingException` as a stream names it. */
export function streamName(name: string): string {
  return name.slice(0, 1).toLowerCase() + name.slice(1);
}
