import { varied } from './anthropic-usage.ts';
import { isRecord, listOf, textOf, type Exchange } from './exchange.ts';
import { withoutDirectives } from './faults.ts';
import { contentsOf, field, partsOf } from './gemini-check.ts';
import { geminiError } from './gemini-error.ts';
import { EOLS, sseFrame, type Reply } from './reply.ts';
import { digestOf, idFrom, sample, signed, speak, think, tokensIn, wordsOf } from './speech.ts';

type Part = Readonly<Record<string, unknown>>;

export interface PlannedContent {
  readonly responseId: string;
  readonly model: string;
  /** Parts in the pieces in which a stream tells them, one a frame; made as they are taken. */
  readonly parts: () => Iterable<Part>;
  readonly finishReason: string;
  readonly candidates: number;
  readonly tokens: Tokens;
}

interface Tokens {
  readonly prompt: number;
  readonly cached: number;
  readonly output: number;
  readonly thoughts: number;
  readonly toolPrompt: number;
}

/** Bytes of the prompt: texts as they are, other parts, tools and instructions as JSON. */
export function countPrompt(body: unknown): number {
  const contents = [...contentsOf(body), field(body, 'systemInstruction')];
  let bytes = 0;
  for (const part of contents.flatMap((content) => partsOf(content))) {
    bytes += Buffer.byteLength(
      typeof part['text'] === 'string' ? withoutDirectives(part['text']) : JSON.stringify(part),
    );
  }
  for (const tool of listOf(field(body, 'tools'))) bytes += Buffer.byteLength(JSON.stringify(tool));
  return tokensIn(bytes);
}

/** Text of the last content that is the user's (or nobody's), where directives stand. */
export function lastGeminiText(json: unknown): string {
  const request = field(json, 'generateContentRequest') ?? json;
  const single = field(json, 'content') ?? field(listOf(field(json, 'requests')).at(-1), 'content');
  const last =
    single ??
    contentsOf(request)
      .filter((content) => field(content, 'role') !== 'model')
      .at(-1);
  return partsOf(last)
    .map((part) => (typeof part['text'] === 'string' ? part['text'] : ''))
    .join('\n');
}

/** Decides the answer to a sound request; the same request gets the same answer. */
export function planContent(exchange: Exchange, body: unknown, model: string): PlannedContent {
  const { fault, digest, seed } = exchange;
  const config = field(body, 'generationConfig');
  const thinkingConfig = field(config, 'thinkingConfig');
  const thinks =
    (isRecord(thinkingConfig) && field(thinkingConfig, 'thinkingBudget') !== 0) ||
    model.startsWith('gemini-3');
  const shown = thinks && field(thinkingConfig, 'includeThoughts') === true;
  const signature = thinks ? { thoughtSignature: signed(seed, digest, 'gemini') } : {};
  const calls = functionCalls(body, exchange);
  const schema = field(config, 'responseJsonSchema') ?? field(config, 'responseSchema');
  const structured = schema === undefined ? undefined : JSON.stringify(sample(schema, 'sim'));
  const result = lastFunctionResponse(body);
  const text = structured ?? (result === undefined ? undefined : `The function answered: ${result}`);
  const limit = Number(field(config, 'maxOutputTokens') ?? Infinity);
  const stops = listOf(field(config, 'stopSequences')).filter((stop) => typeof stop === 'string');
  const spoken = speak(fault, digest, text, limit, stops);
  const callTokens = calls.reduce((sum, call) => sum + tokensIn(Buffer.byteLength(JSON.stringify(call))), 0);
  const candidates = Math.min(Math.max(Number(field(config, 'candidateCount') ?? 1), 1), 8);
  return {
    responseId: idFrom('', 22, seed, digest),
    model,
    *parts() {
      if (shown) for (const thought of wordsOf(think(fault))) yield { text: thought, thought: true };
      if (calls.length === 0) {
        for (const delta of spoken.deltas) yield { text: delta };
        // The signature of a text answer comes last, on an empty part.
        if (thinks) yield { text: '', ...signature };
      }
      for (const [n, functionCall] of calls.entries()) yield { functionCall, ...(n === 0 ? signature : {}) };
    },
    finishReason: fault.finish ?? (spoken.cutShort ? 'MAX_TOKENS' : 'STOP'),
    candidates,
    tokens: {
      prompt: fault.inputTokens ?? countPrompt(body),
      cached: fault.cachedTokens ?? 0,
      output: fault.outputTokens ?? (calls.length === 0 ? spoken.tokens * candidates : callTokens),
      thoughts: thinks ? (fault.thinkingTokens ?? wordsOf(think(fault)).length) : 0,
      toolPrompt: fault.toolPromptTokens ?? 0,
    },
  };
}

/** The JSON answer: adjacent texts of a kind are one part. */
export function wholeContent(exchange: Exchange, planned: PlannedContent): object {
  const parts: Part[] = [];
  const texts: string[] = [];
  let thought = false;
  const flush = (): void => {
    if (texts.length > 0)
      parts.push({ text: texts.splice(0).join(''), ...(thought ? { thought: true } : {}) });
  };
  for (const part of planned.parts()) {
    const isThought = part['thought'] === true;
    if (isThought !== thought) flush();
    thought = isThought;
    if (typeof part['text'] === 'string' && part['thoughtSignature'] === undefined) texts.push(part['text']);
    else if (part['text'] === '' && texts.length > 0) {
      parts.push({ text: texts.splice(0).join(''), thoughtSignature: part['thoughtSignature'] });
    } else {
      flush();
      parts.push(part);
    }
  }
  flush();
  const candidates = Array.from({ length: planned.candidates }, (_, index) =>
    candidate(index, parts, planned.finishReason),
  );
  return document(
    planned,
    { candidates },
    varied(usage(planned.tokens, planned.tokens.output), exchange.fault),
  );
}

/** `alt=sse`: `data:` frames ended by CRLF CRLF; otherwise one JSON array, told element by element. */
export function contentReply(
  exchange: Exchange,
  planned: PlannedContent,
  headers: Record<string, string>,
): Reply {
  const sse = exchange.query.get('alt') === 'sse';
  const eol = EOLS[exchange.fault.eol ?? 'crlf'];
  return {
    status: 200,
    headers: { ...headers, 'content-type': sse ? 'text/event-stream' : 'application/json; charset=UTF-8' },
    frames: sse ? sseFrames(exchange, planned, eol) : arrayFrames(exchange, planned),
    errorFrame: (after) => {
      const error = geminiError({ status: 503, ...exchange.fault }, planned.model, exchange.credential.value);
      if (sse) return sseFrame(JSON.stringify(error), eol);
      return Buffer.from(`${after === 0 ? '[' : ',\r\n'}${JSON.stringify(error, undefined, 2)}\n]`);
    },
  };
}

function* sseFrames(exchange: Exchange, planned: PlannedContent, eol: string): Generator<Buffer> {
  let n = 0;
  for (const frame of documents(exchange, planned)) {
    n += 1;
    yield sseFrame(JSON.stringify(frame), eol);
    if (exchange.fault.comments === true && n % 3 === 0) yield Buffer.from(`: comment ${n}${eol}${eol}`);
    if (exchange.fault.unknownEvents !== undefined && n % exchange.fault.unknownEvents === 0) {
      yield sseFrame(JSON.stringify({ futureField: { n, large: 1e21 } }), eol);
    }
  }
}

function* arrayFrames(exchange: Exchange, planned: PlannedContent): Generator<Buffer> {
  let opened = false;
  for (const frame of documents(exchange, planned)) {
    yield Buffer.from(`${opened ? ',\r\n' : '['}${JSON.stringify(frame, undefined, 2)}\n`);
    opened = true;
  }
  yield Buffer.from(opened ? ']' : '[]');
}

/** One response document a part. Usage is cumulative, on most of them, and without output in the first. */
function* documents(exchange: Exchange, planned: PlannedContent): Generator<object> {
  const { fault } = exchange;
  const { tokens, candidates } = planned;
  let n = 0;
  let said = 0;
  for (const { part, last } of markingLast(planned.parts())) {
    if (part['thought'] !== true) said += wordsOf(textOf(part['text'])).length * candidates;
    for (let index = 0; index < candidates; index += 1) {
      n += 1;
      const final = last && index === candidates - 1;
      const sofar = fault.usage === 'falling' ? tokens.output * 2 + 9 : Math.min(said, tokens.output);
      const whole = usage(tokens, final ? tokens.output : n === 1 ? undefined : sofar);
      const told = !final && n % 5 === 3 ? undefined : varied(whole, fault);
      const one = candidate(index, [part], last ? planned.finishReason : undefined);
      yield document(planned, { candidates: [one] }, told);
    }
  }
}

/** Looks one part ahead; an answer without parts is one empty text. */
function* markingLast(parts: Iterable<Part>): Generator<{ part: Part; last: boolean }> {
  let held: Part | undefined;
  for (const part of parts) {
    if (held !== undefined) yield { part: held, last: false };
    held = part;
  }
  yield { part: held ?? { text: '' }, last: true };
}

function document(planned: PlannedContent, body: object, usageMetadata: object | undefined): object {
  return {
    ...body,
    ...(usageMetadata === undefined ? {} : { usageMetadata }),
    modelVersion: planned.model,
    responseId: planned.responseId,
  };
}

function candidate(index: number, parts: readonly Part[], finishReason: string | undefined): object {
  return {
    content: { parts, role: 'model' },
    ...(finishReason === undefined ? {} : { finishReason }),
    index,
  };
}

/** A blocked prompt: 200, no candidates, the input counted. */
export function blocked(planned: PlannedContent, reason: string): object {
  const { prompt } = planned.tokens;
  return document(
    planned,
    { promptFeedback: { blockReason: reason } },
    { promptTokenCount: prompt, totalTokenCount: prompt, promptTokensDetails: modality(prompt) },
  );
}

function usage(tokens: Tokens, output: number | undefined): object {
  const { prompt, cached, thoughts, toolPrompt } = tokens;
  return {
    promptTokenCount: prompt,
    ...(output === undefined ? {} : { candidatesTokenCount: output }),
    totalTokenCount: prompt + (output ?? 0) + toolPrompt + thoughts,
    ...(cached === 0 ? {} : { cachedContentTokenCount: cached, cacheTokensDetails: modality(cached) }),
    promptTokensDetails: modality(prompt),
    ...(toolPrompt === 0 ? {} : { toolUsePromptTokenCount: toolPrompt }),
    ...(thoughts === 0 ? {} : { thoughtsTokenCount: thoughts }),
  };
}

export function modality(tokenCount: number): object[] {
  return [{ modality: 'TEXT', tokenCount }];
}

function functionCalls(body: unknown, exchange: Exchange): Part[] {
  const declared = listOf(field(body, 'tools'))
    .flatMap((tool) => listOf(field(tool, 'functionDeclarations')))
    .filter(isRecord);
  const calling = field(field(body, 'toolConfig'), 'functionCallingConfig');
  const mode = textOf(field(calling, 'mode')).toUpperCase();
  if (declared.length === 0 || mode === 'NONE' || lastFunctionResponse(body) !== undefined) return [];
  const allowed = listOf(field(calling, 'allowedFunctionNames'));
  const text = lastGeminiText(body);
  const forced = exchange.fault.tool?.split(',');
  let wanted = declared.filter(({ name }) => forced?.includes(String(name)) ?? text.includes(String(name)));
  if (wanted.length === 0 && mode === 'ANY') {
    wanted = declared.filter(({ name }) => allowed.length === 0 || allowed.includes(name)).slice(0, 1);
  }
  return wanted.map((declaration) => {
    const schema = field(declaration, 'parametersJsonSchema') ?? field(declaration, 'parameters');
    return {
      name: declaration['name'],
      args: sample(schema ?? {}, `sim ${digestOf(exchange.digest).slice(0, 6)} é🙂`),
    };
  });
}

function lastFunctionResponse(body: unknown): string | undefined {
  const last = contentsOf(body).at(-1);
  const found = partsOf(last).filter((part) => field(part, 'functionResponse') !== undefined);
  if (found.length === 0) return undefined;
  return JSON.stringify(field(field(found.at(-1), 'functionResponse'), 'response') ?? {});
}
