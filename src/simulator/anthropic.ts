import { messageFrames, planMessage, lastUserText, wholeMessage } from './anthropic-answer.ts';
import { checkedBody, versionOf } from './anthropic-check.ts';
import { anthropicModel, anthropicModelExists, listAnthropicModels } from './anthropic-models.ts';
import { countInput, type PromptCache } from './anthropic-usage.ts';
import { isRecord, Refusal, type Exchange, type Operation, type Vendor } from './exchange.ts';
import type { Fault } from './faults.ts';
import { EOLS, jsonReply, sseFrame, type Reply } from './reply.ts';

/** error.type by status (wire formats, Anthropic errors). */
const TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  405: 'invalid_request_error',
  409: 'conflict_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  500: 'api_error',
  503: 'api_error',
  504: 'timeout_error',
  529: 'overloaded_error',
};

const MESSAGES: Readonly<Record<string, string>> = {
  overloaded_error: 'Overloaded',
  api_error: 'Internal server error',
  rate_limit_error: 'This request would exceed the rate limit for your organization.',
  request_too_large: 'Request exceeds the maximum allowed number of bytes.',
  timeout_error: 'Request timed out',
};

/** What an account's own 400s and 403s say; chosen by `reason`. */
const REASONS: Readonly<Record<string, string>> = {
  'low-credit':
    'Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.',
  'spend-limit':
    'You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.',
  'org-hold': 'This organization is on hold.',
  'org-disabled':
    'OAuth authentication is currently not allowed for this organization: organization disabled.',
};

const CODES: Readonly<Record<string, string>> = { 'org-hold': 'organization_on_hold' };

/** The largest body that the API takes. */
const MAX_BODY = 32 * 1024 * 1024;

/** Anthropic's Messages API: messages, count_tokens, models, hello. */
export function anthropic(cache: PromptCache): Vendor {
  return {
    name: 'anthropic',
    operation,
    lastText: (json) => (isRecord(json) ? lastUserText(json['messages']) : ''),
    answer: (exchange) => {
      try {
        return route(exchange, cache);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        return refusal(exchange, { status: error.status, message: error.message, type: error.type });
      }
    },
    refuse: refusal,
  };
}

function operation(path: string, json: unknown): Operation {
  const model = isRecord(json) && typeof json['model'] === 'string' ? json['model'] : undefined;
  if (path === '/v1/messages') return { name: 'messages', model, counted: true };
  if (path === '/v1/messages/count_tokens') return { name: 'count_tokens', model, counted: false };
  const card = /^\/v1\/models\/(.+)$/.exec(path);
  if (card !== null) return { name: 'model', model: card[1], counted: false };
  if (path === '/v1/models') return { name: 'models', model: undefined, counted: false };
  return { name: path === '/api/hello' ? 'hello' : 'unknown', model: undefined, counted: false };
}

function route(exchange: Exchange, cache: PromptCache): Reply {
  const { method, path } = exchange;
  const { name, model } = operation(path, exchange.json);
  if (name === 'hello') return jsonReply(200, { message: 'hello' }, headersOf(exchange));
  if (name === 'unknown') throw new Refusal(404, 'Not Found');
  const { refusal: refused } = exchange.credential;
  if (refused !== undefined) throw new Refusal(401, refused);
  const reading = name === 'models' || name === 'model';
  if (method !== (reading ? 'GET' : 'POST')) throw new Refusal(405, 'Method Not Allowed');
  if (name === 'models') {
    versionOf(exchange);
    return jsonReply(200, listAnthropicModels(exchange.query), headersOf(exchange));
  }
  if (name === 'model') {
    versionOf(exchange);
    if (!anthropicModelExists(model ?? '')) throw new Refusal(404, `model: ${model}`);
    return jsonReply(200, anthropicModel(model ?? ''), headersOf(exchange));
  }
  if (exchange.body.length > MAX_BODY) {
    throw new Refusal(413, 'Request exceeds the maximum size');
  }
  const version = versionOf(exchange);
  const body = checkedBody(exchange, name === 'count_tokens');
  if (!anthropicModelExists(model ?? '')) throw new Refusal(404, `model: ${model}`);
  if (name === 'count_tokens') {
    const counted = exchange.fault.inputTokens ?? countInput(body);
    return jsonReply(200, { input_tokens: counted }, headersOf(exchange));
  }
  const input = cache.count(body, exchange.credential.value ?? '');
  const planned = planMessage(exchange, body, version, input);
  if (body['stream'] !== true) {
    return jsonReply(200, wholeMessage(exchange, planned), headersOf(exchange));
  }
  return {
    status: 200,
    headers: {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      ...headersOf(exchange),
    },
    frames: messageFrames(exchange, planned),
    errorFrame: () => {
      const document = errorDocument(exchange, { status: 529, ...exchange.fault });
      return sseFrame(JSON.stringify(document), EOLS[exchange.fault.eol ?? 'lf'], 'error');
    },
  };
}

function refusal(exchange: Exchange, fault: Fault): Reply {
  const headers: Record<string, string> = { ...headersOf(exchange) };
  if (fault.retryAfter !== undefined) headers['retry-after'] = fault.retryAfter;
  if (fault.retryAfterMs !== undefined) headers['retry-after-ms'] = fault.retryAfterMs;
  if (fault.shouldRetry !== undefined) headers['x-should-retry'] = fault.shouldRetry;
  if (fault.unified !== undefined) {
    headers['anthropic-ratelimit-unified-status'] = fault.unified;
    headers['anthropic-ratelimit-unified-representative-claim'] = 'five_hour';
    if (fault.unifiedReset !== undefined) {
      headers['anthropic-ratelimit-unified-reset'] = String(fault.unifiedReset);
    }
  }
  return jsonReply(fault.status ?? 500, errorDocument(exchange, fault), headers);
}

function errorDocument(exchange: Exchange, fault: Fault): object {
  const status = fault.status ?? 500;
  const type = fault.type ?? TYPES[status] ?? (status >= 500 ? 'api_error' : 'invalid_request_error');
  const said = fault.message ?? REASONS[fault.reason ?? ''] ?? MESSAGES[type] ?? `Refused with ${status}`;
  const message = fault.echo === true ? `${said} (credential ${exchange.credential.value ?? 'none'})` : said;
  const code = fault.code ?? CODES[fault.reason ?? ''];
  const details = code === undefined ? {} : { details: { error_code: code } };
  return { type: 'error', error: { type, message, ...details }, request_id: exchange.requestId };
}

/** `request-id` on every answer; API keys see their limits, subscription tokens their windows. */
function headersOf(exchange: Exchange): Record<string, string> {
  const base = {
    'request-id': exchange.requestId,
    'anthropic-organization-id': '11111111-2222-4333-8444-555555555555',
  };
  if (exchange.credential.value === undefined) return base;
  const soon = Math.ceil(Date.now() / 60_000) * 60;
  if (exchange.credential.oauth) {
    return {
      ...base,
      'anthropic-ratelimit-unified-status': 'allowed',
      'anthropic-ratelimit-unified-reset': String(soon + 3600),
      'anthropic-ratelimit-unified-representative-claim': 'five_hour',
      'anthropic-ratelimit-unified-5h-status': 'allowed',
      'anthropic-ratelimit-unified-5h-reset': String(soon + 3600),
      'anthropic-ratelimit-unified-5h-utilization': '0.25',
    };
  }
  const reset = new Date(soon * 1000).toISOString().replace('.000', '');
  const limits: Record<string, string> = {};
  for (const [name, limit] of [
    ['requests', 4000],
    ['tokens', 480_000],
    ['input-tokens', 400_000],
    ['output-tokens', 80_000],
  ] as const) {
    limits[`anthropic-ratelimit-${name}-limit`] = String(limit);
    limits[`anthropic-ratelimit-${name}-remaining`] = String(limit - 1);
    limits[`anthropic-ratelimit-${name}-reset`] = reset;
  }
  return { ...base, ...limits };
}
