import { lastUserText } from './anthropic-answer.ts';
import { countInput, type PromptCache } from './anthropic-usage.ts';
import { awsFault } from './aws-credentials.ts';
import { awsException, streamName } from './bedrock-error.ts';
import { countInvoke, decodedBody, invoke } from './bedrock-invoke.ts';
import { bedrockModel, type BedrockModel } from './bedrock-models.ts';
import { converse } from './converse-answer.ts';
import { messagesBody } from './converse-body.ts';
import { checkedConverse } from './converse-check.ts';
import type { Keyring } from './credentials.ts';
import { errorFrame, EVENT_STREAM, exceptionFrame } from './event-stream.ts';
import { isRecord, listOf, Refusal, textOf, type Exchange, type Operation, type Vendor } from './exchange.ts';
import type { Fault } from './faults.ts';
import { jsonReply, type Reply } from './reply.ts';

/** The largest body that InvokeModel takes: 25,000,000 bytes (AWS Bedrock API reference). */
const MAX_BODY = 25_000_000;

/** Amazon Bedrock's runtime: InvokeModel for Claude, Converse, their streams, CountTokens. */
export function bedrock(keyring: Keyring, cache: PromptCache): Vendor {
  return {
    name: 'bedrock',
    operation,
    lastText,
    answer: (exchange) => {
      try {
        const fault = awsFault(exchange, keyring, 'bedrock');
        if (fault !== undefined) throw new Refusal(403, fault.message, fault.name);
        const reply = route(exchange, cache);
        const streams = reply.headers['content-type'] === EVENT_STREAM;
        return streams ? { ...reply, errorFrame: () => inStreamError(exchange) } : reply;
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        return refusal(exchange, { status: error.status, message: error.message, ...typeOf(error) });
      }
    },
    refuse: refusal,
  };
}

function typeOf({ type }: Refusal): { type?: string } {
  return type === undefined ? {} : { type };
}

function operation(path: string): Operation {
  const [, model, name] = /^\/model\/(.+)\/([a-z-]+)$/.exec(path) ?? [];
  const names = ['invoke', 'invoke-with-response-stream', 'converse', 'converse-stream', 'count-tokens'];
  if (name === undefined || !names.includes(name))
    return { name: 'unknown', model: undefined, counted: false };
  return { name, model, counted: name !== 'count-tokens' };
}

/** Directives stand in the last user message, whichever body it is in. */
function lastText(json: unknown): string {
  if (!isRecord(json)) return '';
  const { input } = json;
  const { invokeModel, converse: counted } = isRecord(input) ? input : {};
  if (isRecord(invokeModel)) return lastText(decodedBody(textOf(invokeModel['body'])));
  if (isRecord(counted)) return lastText(counted);
  if (json['anthropic_version'] !== undefined) return lastUserText(json['messages']);
  const last = listOf(json['messages']).findLast(
    (message) => isRecord(message) && message['role'] === 'user',
  );
  return listOf(isRecord(last) ? last['content'] : undefined)
    .map((block) => (isRecord(block) ? textOf(block['text']) : ''))
    .join('\n');
}

function route(exchange: Exchange, cache: PromptCache): Reply {
  const { name, model: id = '' } = operation(exchange.path);
  if (name === 'unknown' || exchange.method !== 'POST') {
    throw new Refusal(404, '', 'UnknownOperationException');
  }
  if (exchange.body.length > MAX_BODY) {
    throw new Refusal(413, `Request body is larger than ${MAX_BODY} bytes`);
  }
  // AWS' SDKs name octets where InvokeModel's caller names nothing.
  if (!/^application\/(json|octet-stream)\b/.test(exchange.headers['content-type'] ?? '')) {
    throw new Refusal(400, 'The Content-Type must be application/json');
  }
  const model = bedrockModel(id);
  const headers = headersOf(exchange);
  switch (name) {
    case 'count-tokens':
      return jsonReply(200, { inputTokens: countTokens(exchange, model) }, headers);
    case 'invoke':
    case 'invoke-with-response-stream':
      return invoke(exchange, model, name !== 'invoke', cache, headers);
    default: {
      const request = checkedConverse(exchange.json, false, model);
      return converse(exchange, request, model, name === 'converse-stream', cache, headers);
    }
  }
}

function countTokens(exchange: Exchange, model: BedrockModel): number {
  const input = isRecord(exchange.json) ? exchange.json['input'] : undefined;
  const { invokeModel, converse: counted } = isRecord(input) ? input : {};
  if (isRecord(invokeModel) === isRecord(counted)) {
    throw new Refusal(400, 'input: exactly one of invokeModel, converse');
  }
  const tokens = isRecord(invokeModel)
    ? countInvoke(exchange, invokeModel['body'], model)
    : countInput(messagesBody(checkedConverse(counted, true, model), model, exchange.seed));
  return exchange.fault.inputTokens ?? tokens;
}

function refusal(exchange: Exchange, fault: Fault): Reply {
  const { name, message } = awsException(fault, exchange.credential.value);
  const headers: Record<string, string> = {
    ...headersOf(exchange),
    'x-amzn-errortype': `${name}:http://internal.amazon.com/coral/com.amazon.bedrock/`,
  };
  if (fault.retryAfter !== undefined) headers['retry-after'] = fault.retryAfter;
  return jsonReply(fault.status ?? 500, { message }, headers);
}

/** An exception's message, or with `code` an error that the service's model does not know. */
function inStreamError({ fault, credential }: Exchange): Buffer {
  const { name, message } = awsException({ status: 503, ...fault }, credential.value);
  if (fault.code !== undefined) return errorFrame(fault.code, message);
  const original =
    name === 'ModelStreamErrorException' ? { originalStatusCode: 500, originalMessage: message } : {};
  return exceptionFrame(streamName(name), { message, ...original });
}

function headersOf({ requestId }: Exchange): Record<string, string> {
  return { 'x-amzn-requestid': requestId };
}
