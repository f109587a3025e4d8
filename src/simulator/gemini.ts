import { Refusal, isRecord, listOf, textOf, type Exchange, type Operation, type Vendor } from './exchange.ts';
import type { Fault } from './faults.ts';
import {
  blocked,
  contentReply,
  countPrompt,
  lastGeminiText,
  modality,
  planContent,
  wholeContent,
} from './gemini-answer.ts';
import { checkContents, checkedRequest, contentsOf, field, partsOf } from './gemini-check.ts';
import { geminiError } from './gemini-error.ts';
import { geminiModel, geminiModelServes, listGeminiModels } from './gemini-models.ts';
import { jsonReply, type Reply } from './reply.ts';
import { digestOf } from './speech.ts';

const VERBS = [
  'generateContent',
  'streamGenerateContent',
  'countTokens',
  'embedContent',
  'batchEmbedContents',
];

/** The Gemini API: generation (whole and streamed), counting, embeddings, models; under /v1beta and /v1. */
export const gemini: Vendor = {
  name: 'gemini',
  operation,
  lastText: lastGeminiText,
  answer: (exchange) => {
    try {
      return route(exchange);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const { status, message, type: reason } = error;
      return refusal(exchange, { status, message, ...(reason === undefined ? {} : { reason }) });
    }
  },
  refuse: refusal,
};

function operation(path: string): Operation {
  const call = /^\/v1(?:beta)?\/(?:models\/)?([^:]+):(\w+)$/.exec(path);
  if (call !== null && VERBS.includes(call[2] ?? '')) {
    return { name: call[2] ?? '', model: call[1], counted: call[2] !== 'countTokens' };
  }
  const card =
    /^\/v1(?:beta)?\/(?:models\/)([^:]+)$/.exec(path) ?? /^\/v1(?:beta)?\/(tunedModels\/[^:]+)$/.exec(path);
  if (card !== null) return { name: 'model', model: card[1], counted: false };
  const list = /^\/v1(?:beta)?\/models$/.test(path);
  return { name: list ? 'models' : 'unknown', model: undefined, counted: false };
}

function route(exchange: Exchange): Reply {
  const { path, method, json } = exchange;
  const { name, model = '' } = operation(path);
  refuseCredential(exchange);
  const reading = name === 'models' || name === 'model';
  if (name === 'unknown' || method !== (reading ? 'GET' : 'POST')) {
    throw new Refusal(404, 'Requested entity was not found.');
  }
  if (name === 'models') return jsonReply(200, listGeminiModels(exchange.query), headersOf(), 2);
  if (!geminiModelServes(model, name === 'model' ? 'get' : name)) {
    throw new Refusal(
      404,
      `models/${model} is not found for API version v1beta, or is not supported for ${name}. Call ListModels to see the list of available models and their supported methods.`,
    );
  }
  if (name === 'model') return jsonReply(200, geminiModel(model), headersOf(), 2);
  const body = checkedRequest(json, name);
  switch (name) {
    case 'countTokens': {
      const totalTokens =
        exchange.fault.inputTokens ?? countPrompt(field(body, 'generateContentRequest') ?? body);
      return jsonReply(200, { totalTokens, promptTokensDetails: modality(totalTokens) }, headersOf(), 2);
    }
    case 'embedContent':
      return jsonReply(200, { embedding: embedding(body) }, headersOf(), 2);
    case 'batchEmbedContents': {
      const requests = listOf(body['requests']).filter(isRecord);
      if (requests.length === 0)
        throw new Refusal(400, '* BatchEmbedContentsRequest.requests: at least one is required');
      return jsonReply(200, { embeddings: requests.map(embedding) }, headersOf(), 2);
    }
    default:
      return generate(exchange, body, model, name === 'streamGenerateContent');
  }
}

function generate(exchange: Exchange, body: Record<string, unknown>, model: string, stream: boolean): Reply {
  checkContents(body, model, exchange.seed);
  const planned = planContent(exchange, body, model);
  if (exchange.fault.block !== undefined) {
    const document = blocked(planned, exchange.fault.block);
    if (!stream) return jsonReply(200, document, headersOf(), 2);
    const reply = contentReply(exchange, planned, headersOf());
    const sse = exchange.query.get('alt') === 'sse';
    const text = sse
      ? `data: ${JSON.stringify(document)}\r\n\r\n`
      : `[${JSON.stringify(document, undefined, 2)}\n]`;
    return { ...reply, frames: [Buffer.from(text)] };
  }
  if (stream) return contentReply(exchange, planned, headersOf());
  return jsonReply(200, wholeContent(exchange, planned), headersOf(), 2);
}

/** A missing key is 403, a wrong one 400 with the reason, a bearer token 401. @throws Refusal */
function refuseCredential({ credential }: Exchange): void {
  if (credential.refusal === 'missing') {
    throw new Refusal(
      403,
      "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer identity to call this API.",
    );
  }
  if (credential.refusal === 'key') {
    throw new Refusal(400, 'API key not valid. Please pass a valid API key.', 'API_KEY_INVALID');
  }
  if (credential.refusal === 'token')
    throw new Refusal(401, 'Request had invalid authentication credentials.');
}

/** The array form of a stream tells its errors as an array too. */
function refusal(exchange: Exchange, fault: Fault): Reply {
  const { name, model } = operation(exchange.path);
  const error = geminiError(fault, model, exchange.credential.value);
  const array = name === 'streamGenerateContent' && exchange.query.get('alt') !== 'sse';
  return jsonReply(fault.status ?? 500, array ? [error] : error, headersOf(), 2);
}

function headersOf(): Record<string, string> {
  return {
    'content-type': 'application/json; charset=UTF-8',
    vary: 'Origin, X-Origin, Referer',
    server: 'scaffolding on HTTPServer2',
    'x-content-type-options': 'nosniff',
  };
}

function embedding(request: Record<string, unknown>): object {
  const text = [field(request, 'content')]
    .concat(contentsOf(request))
    .flatMap((content) => partsOf(content))
    .map((part) => textOf(part['text']))
    .join('\n');
  if (text === '') throw new Refusal(400, '* EmbedContentRequest.content: content is empty');
  const given =
    field(request, 'outputDimensionality') ??
    field(field(request, 'embedContentConfig'), 'outputDimensionality');
  const size = Math.min(typeof given === 'number' && given > 0 ? given : 16, 3072);
  const digest = digestOf(text);
  return {
    values: Array.from(
      { length: size },
      (_, n) => Number.parseInt(digest.slice((n * 2) % 64, ((n * 2) % 64) + 2), 16) / 256,
    ),
  };
}
