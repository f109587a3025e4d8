import { type Call, CallError, type DialectName, type Framing, type Operation } from '../dialects/dialect.ts';
import type { AnswerContext, NeutralRequest } from './neutral.ts';
import { cannot } from './cannot.ts';
import { offeredTools } from './offered-tools.ts';
import { CLIENT_SIDES, EMBED_WAYS, UPSTREAM_SIDES } from './sides-of.ts';
import { type AnswerTranslator, documentAnswer, streamedAnswer } from './translated-answer.ts';

/** Where the clients' documents hold the conversation. */
const CONVERSATION = new Set(['messages', 'contents', 'input']);

/** A call in the dialect of the account that serves it, and the way back. */
export interface Translation {
  readonly call: Call;
  /** By the names of `x-relay-edits`. */
  readonly edits: readonly string[];
  answer(context: Omit<AnswerContext, 'request' | 'model'>): AnswerTranslator;
}

/** Is there a way from this client's dialect to that upstream's and back? */
export function translatable(from: DialectName, to: DialectName, operation: Operation): boolean {
  const client = CLIENT_SIDES[from];
  const upstream = UPSTREAM_SIDES[to];
  if (from === to || client === undefined || upstream === undefined) return false;
  switch (operation) {
    case 'generate':
      return true;
    case 'count':
      return client.countDocument !== undefined && upstream.readCount !== undefined;
    case 'embed':
      return EMBED_WAYS[from]?.[to] !== undefined;
    case 'batch-embed':
      return false;
  }
}

/** @param model the upstream's name for it. @throws CallError that names the client's field */
export function translate(call: Call, to: DialectName, model: string): Translation {
  if (call.operation === 'embed') return translatedEmbedding(call, to, model);
  const client = CLIENT_SIDES[call.dialect];
  const upstream = UPSTREAM_SIDES[to];
  if (client === undefined || upstream === undefined) {
    throw new Error(`There is no translation from ${call.dialect} to ${to}`);
  }
  const request = client.readRequest(call, model);
  const unsaid = request.leftovers.find(({ advice }) => !advice);
  if (unsaid !== undefined) throw cannot(unsaid.at);
  mustHaveTools(request);
  const written = upstream.writeRequest(request);
  const translated: Call = {
    dialect: to,
    operation: call.operation,
    lane: call.lane,
    model,
    modelSpans: [],
    framing: upstreamFraming(call.framing, to),
    maxOutputTokens: call.maxOutputTokens,
    headers: { accept: 'application/json', ...written.headers },
    query: '',
    body: Buffer.from(JSON.stringify(written.body)),
  };
  const kept = withoutConversation(request);
  return {
    call: translated,
    edits: [`translated:${call.dialect}>${to}`, ...leftOut(request), ...written.edits],
    answer(about) {
      const context: AnswerContext = { ...about, request: kept, model: call.model };
      if (call.operation === 'count') {
        return documentAnswer((document) => client.countDocument!(upstream.readCount!(document)));
      }
      return call.framing === 'json'
        ? documentAnswer((document) => client.document(upstream.read(document), context))
        : streamedAnswer(upstream.reader(), client.writer(context, clientFraming(call.framing)));
    },
  };
}

/** A choice that forces a call would vanish with the tools that it is among. @throws CallError */
function mustHaveTools(request: NeutralRequest): void {
  const { toolChoice } = request;
  const mode = toolChoice?.value.mode;
  if (toolChoice === undefined || (mode !== 'any' && mode !== 'one')) return;
  if (offeredTools(request).length === 0)
    throw new CallError(`${toolChoice.at}: chooses a tool that is not there`);
}

/** Embeddings are no conversation, and do not go through the middle form. */
function translatedEmbedding(call: Call, to: DialectName, model: string): Translation {
  const way = EMBED_WAYS[call.dialect]?.[to];
  if (way === undefined) throw new Error(`Embeddings are not translated from ${call.dialect} to ${to}`);
  const { edits, document, ...sent } = way(call, model);
  return {
    call: {
      dialect: to,
      lane: call.lane,
      model,
      modelSpans: [],
      framing: 'json',
      maxOutputTokens: undefined,
      headers: { accept: 'application/json' },
      query: '',
      ...sent,
    },
    edits: [`translated:${call.dialect}>${to}`, ...edits],
    answer: ({ usage }) => documentAnswer((answer) => document(answer, usage())),
  };
}

/** A stream may last for minutes, and its writer asks for settings only: the conversation is let go. */
function withoutConversation(request: NeutralRequest): NeutralRequest {
  const source = Object.entries(request.source).filter(([name]) => !CONVERSATION.has(name));
  return { ...request, system: [], messages: [], source: Object.fromEntries(source) };
}

/** Advice without an equivalent, told by the field's outermost name. */
function leftOut({ leftovers }: NeutralRequest): readonly string[] {
  return leftovers.map(({ at }) => `left-out:${at.split(/[.[]/, 1)[0]}`);
}

function upstreamFraming(framing: Framing, to: DialectName): Framing {
  if (framing === 'json') return 'json';
  return to === 'bedrock-converse' ? 'event-stream' : 'sse';
}

function clientFraming(framing: Framing): 'sse' | 'json-array' {
  if (framing === 'sse' || framing === 'json-array') return framing;
  throw new Error(`No client of another dialect reads ${framing}`);
}
