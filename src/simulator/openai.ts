import { isRecord, textOf, type Exchange, type Operation, type Vendor } from './exchange.ts';
import type { Fault } from './faults.ts';
import { lastChatText, planChat, wholeChat } from './openai-answer.ts';
import { checkedChat } from './openai-check.ts';
import { embeddings, lastInputText } from './openai-embeddings.ts';
import { invalid, openaiError, OpenaiRefusal, refusalDocument } from './openai-error.ts';
import { listOpenaiModels, noSuchModel, openaiModel, openaiModelExists } from './openai-models.ts';
import { chatFrames } from './openai-stream.ts';
import { EOLS, jsonReply, sseFrame, type Reply } from './reply.ts';

const CHAT = '/v1/chat/completions';
const EMBEDDINGS = '/v1/embeddings';
const MODELS = '/v1/models';

/** OpenAI's API: chat completions, embeddings, models. */
export const openai: Vendor = {
  name: 'openai',
  operation,
  lastText: (json) =>
    isRecord(json) && json['input'] !== undefined ? lastInputText(json['input']) : lastChatText(json),
  answer: (exchange) => {
    try {
      return route(exchange);
    } catch (error) {
      if (!(error instanceof OpenaiRefusal)) throw error;
      return jsonReply(error.status, refusalDocument(error), headersOf(exchange), 2);
    }
  },
  refuse: refusal,
};

function operation(path: string, json: unknown): Operation {
  const named = isRecord(json) ? json['model'] : undefined;
  const model = typeof named === 'string' ? named : undefined;
  if (path === CHAT) return { name: 'chat.completions', model, counted: true };
  if (path === EMBEDDINGS) return { name: 'embeddings', model, counted: true };
  if (path === MODELS) return { name: 'models', model: undefined, counted: false };
  if (path.startsWith(`${MODELS}/`)) {
    return { name: 'model', model: path.slice(MODELS.length + 1), counted: false };
  }
  return { name: 'unknown', model: undefined, counted: false };
}

function route(exchange: Exchange): Reply {
  const { method, path, json, credential, fault } = exchange;
  const { name, model = '' } = operation(path, json);
  if (credential.refusal !== undefined) throw refusedCredential(credential.refusal);
  const reading = name === 'models' || name === 'model';
  if (name === 'unknown' || method !== (reading ? 'GET' : 'POST')) {
    throw new OpenaiRefusal(404, `Invalid URL (${method} ${path})`);
  }
  const headers = headersOf(exchange);
  if (name === 'models') return jsonReply(200, listOpenaiModels(), headers, 2);
  if (name === 'model') {
    if (!openaiModelExists(model, 'any')) throw noSuchModel(model);
    return jsonReply(200, openaiModel(model), headers, 2);
  }
  if (name === 'embeddings') return jsonReply(200, embeddings(exchange), headers, 2);
  const body = checkedChat(exchange);
  if (fault.block !== undefined) {
    throw invalid(
      'messages',
      'invalid_prompt',
      'Invalid prompt: your prompt was flagged as potentially violating our usage policy. Please try again with a different prompt.',
    );
  }
  const planned = planChat(exchange, body);
  if (body['stream'] !== true) return jsonReply(200, wholeChat(exchange, planned), headers, 2);
  return {
    status: 200,
    headers: { 'content-type': 'text/event-stream; charset=utf-8', ...headers },
    frames: chatFrames(exchange, planned, body),
    errorFrame: () => {
      const document = openaiError(exchange, { status: 500, ...fault });
      return sseFrame(JSON.stringify(document), EOLS[fault.eol ?? 'lf']);
    },
  };
}

/** `missing`, or the key as it is told back. */
function refusedCredential(why: string): OpenaiRefusal {
  if (why === 'missing') {
    return new OpenaiRefusal(
      401,
      "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
    );
  }
  const message = `Incorrect API key provided: ${why}. You can find your API key at https://platform.openai.com/account/api-keys.`;
  return new OpenaiRefusal(401, message, { code: 'invalid_api_key' });
}

function refusal(exchange: Exchange, fault: Fault): Reply {
  const headers: Record<string, string> = { ...headersOf(exchange) };
  if (fault.status === 429 && fault.reason === undefined) {
    headers['x-ratelimit-remaining-requests'] = '0';
    headers['x-ratelimit-reset-requests'] = fault.retryDelay ?? '20s';
  }
  if (fault.retryAfter !== undefined) headers['retry-after'] = fault.retryAfter;
  if (fault.retryAfterMs !== undefined) headers['retry-after-ms'] = fault.retryAfterMs;
  if (fault.shouldRetry !== undefined) headers['x-should-retry'] = fault.shouldRetry;
  return jsonReply(fault.status ?? 500, openaiError(exchange, fault), headers, 2);
}

/** Headers of OpenAI's own answers (platform docs, "Debugging requests", "Rate limits"). */
function headersOf({ requestId, credential, json }: Exchange): Record<string, string> {
  const base = {
    'x-request-id': requestId,
    'openai-version': '2020-10-01',
    'openai-processing-ms': '12',
  };
  if (credential.refusal !== undefined) return base;
  return {
    ...base,
    'openai-organization': 'org-of-the-account',
    'openai-project': 'proj_of_the_account',
    ...(textOf(isRecord(json) ? json['model'] : undefined) === '' ? {} : LIMITS),
  };
}

const LIMITS = {
  'x-ratelimit-limit-requests': '10000',
  'x-ratelimit-remaining-requests': '9999',
  'x-ratelimit-reset-requests': '6ms',
  'x-ratelimit-limit-tokens': '2000000',
  'x-ratelimit-remaining-tokens': '1999000',
  'x-ratelimit-reset-tokens': '30ms',
};
