import { deltaUsages, startUsage, type InputTokens } from './anthropic-usage.ts';
import { isRecord, listOf, type Exchange } from './exchange.ts';
import type { Fault } from './faults.ts';
import { EOLS, sseFrame } from './reply.ts';
import { digestOf, idFrom, sample, signed, speak, think, tokensIn, wordsOf } from './speech.ts';

/** A content block in its two forms: as a stream tells it, and whole in a JSON answer. */
export interface Block {
  readonly start: object;
  readonly deltas: () => Iterable<object>;
  readonly whole: () => object;
}

export interface PlannedMessage {
  readonly id: string;
  readonly model: string;
  readonly version: string;
  readonly blocks: readonly Block[];
  readonly stopReason: string;
  readonly stopSequence: string | null;
  readonly input: InputTokens;
  readonly outputTokens: number;
  /** What usage tells beside the plain counts. */
  readonly usageExtras: object;
}

/** Decides the answer to a sound body; the same body gets the same answer. */
export function planMessage(
  exchange: Exchange,
  body: Record<string, unknown>,
  version: string,
  input: InputTokens,
): PlannedMessage {
  const { fault, digest, seed } = exchange;
  const blocks: Block[] = [];
  const thinking = isRecord(body['thinking']) ? body['thinking'] : {};
  let thought = 0;
  if (thinking['type'] === 'enabled' || thinking['type'] === 'adaptive') {
    thought = fault.thinkingTokens ?? wordsOf(think(fault)).length;
    blocks.push(thinkingBlock(thinking['display'] === 'omitted' ? '' : think(fault), seed, digest));
  }
  if (fault.redacted === true) blocks.push(redactedBlock(seed, digest));
  if (fault.serverTools !== undefined) blocks.push(...searchBlocks(digest));

  const calls = toolCalls(body, exchange);
  const format = isRecord(body['output_config']) ? body['output_config']['format'] : undefined;
  const structured = isRecord(format) ? JSON.stringify(sample(format['schema'], 'sim')) : undefined;
  const result = lastToolResult(body);
  const text = structured ?? (result === undefined ? undefined : `The tool answered: ${result}`);
  const stops = listOf(body['stop_sequences']).filter((stop) => typeof stop === 'string');
  const spoken = speak(fault, digest, text, Number(body['max_tokens']), stops);
  if (calls.length === 0 || fault.say !== undefined) blocks.push(textBlock(spoken.deltas));
  blocks.push(...calls);
  const called = calls.reduce((sum, call) => sum + call.tokens, 0);
  const output = thought + called + (calls.length === 0 || fault.say !== undefined ? spoken.tokens : 0);

  const ended = spoken.stopSequence === undefined ? 'end_turn' : 'stop_sequence';
  const usual = calls.length > 0 ? 'tool_use' : spoken.cutShort ? 'max_tokens' : ended;
  return {
    id: idFrom('msg_01', 22, seed, digest),
    model: String(body['model']),
    version,
    blocks,
    stopReason: fault.stop ?? usual,
    stopSequence: calls.length === 0 ? (spoken.stopSequence ?? null) : null,
    input: {
      ...input,
      input: fault.inputTokens ?? input.input,
      read: fault.cachedTokens ?? input.read,
    },
    outputTokens: fault.outputTokens ?? output,
    usageExtras: {
      ...(thought === 0 ? {} : { output_tokens_details: { thinking_tokens: thought } }),
      ...(fault.serverTools === undefined
        ? {}
        : { server_tool_use: { web_search_requests: fault.serverTools, web_fetch_requests: 0 } }),
    },
  };
}

/** The JSON answer. */
export function wholeMessage(exchange: Exchange, planned: PlannedMessage): object {
  return {
    ...envelope(planned),
    content: planned.blocks.map((block) => block.whole()),
    stop_reason: planned.stopReason,
    stop_sequence: planned.stopSequence,
    usage: startUsage(planned.input, planned.outputTokens, exchange.fault, planned.usageExtras),
  };
}

/** The stream as SSE; with `comments` a comment frame after every third delta. */
export function* messageFrames(exchange: Exchange, planned: PlannedMessage): Generator<Buffer> {
  const { fault } = exchange;
  const eol = EOLS[fault.eol ?? 'lf'];
  let deltas = 0;
  for (const event of messageEvents(fault, planned)) {
    yield sseFrame(JSON.stringify(event), eol, event.type);
    if (event.type !== 'content_block_delta') continue;
    deltas += 1;
    if (fault.comments === true && deltas % 3 === 0) yield Buffer.from(`: comment ${deltas}${eol}${eol}`);
  }
}

/** The stream's events in the vendor's order; `ping` after the first block's start. */
export function* messageEvents(
  fault: Fault,
  planned: PlannedMessage,
): Generator<{ readonly type: string; readonly [name: string]: unknown }> {
  let deltas = 0;
  yield {
    type: 'message_start',
    message: {
      ...envelope(planned),
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: startUsage(planned.input, 1, fault),
    },
  };
  for (const [index, block] of planned.blocks.entries()) {
    yield { type: 'content_block_start', index, content_block: block.start };
    if (index === 0) yield { type: 'ping' };
    for (const delta of block.deltas()) {
      deltas += 1;
      yield { type: 'content_block_delta', index, delta };
      if (fault.pings !== undefined && deltas % fault.pings === 0) yield { type: 'ping' };
      if (fault.unknownEvents !== undefined && deltas % fault.unknownEvents === 0) {
        yield { type: 'future_event', note: { deltas, large: 1e21 } };
      }
    }
    yield { type: 'content_block_stop', index };
  }
  for (const usage of deltaUsages(planned.input, planned.outputTokens, fault, planned.usageExtras)) {
    const delta = { stop_reason: planned.stopReason, stop_sequence: planned.stopSequence };
    const nulls = planned.version === '2026-10-21' ? { container: null, stop_details: null } : {};
    yield { type: 'message_delta', delta: { ...delta, ...nulls }, usage };
  }
  yield { type: 'message_stop' };
}

function envelope({ id, model, version }: PlannedMessage): object {
  const nulls = version === '2026-10-21' ? { container: null, diagnostics: null, stop_details: null } : {};
  return { model, id, type: 'message', role: 'assistant', ...nulls };
}

function textBlock(deltas: Iterable<string>): Block {
  const form = (text: string): object => ({ type: 'text', text });
  return {
    start: form(''),
    *deltas() {
      for (const text of deltas) yield { type: 'text_delta', text };
    },
    whole: () => form([...deltas].join('')),
  };
}

/** The signature comes once, last; it covers the text as it is shown. */
function thinkingBlock(text: string, seed: string, digest: string): Block {
  const signature = signed(seed, digest, text);
  return {
    start: { type: 'thinking', thinking: '', signature: '' },
    *deltas() {
      for (const thinking of text === '' ? [] : wordsOf(text)) yield { type: 'thinking_delta', thinking };
      yield { type: 'signature_delta', signature };
    },
    whole: () => ({ type: 'thinking', thinking: text, signature }),
  };
}

function redactedBlock(seed: string, digest: string): Block {
  const block = { type: 'redacted_thinking', data: signed(seed, digest, 'redacted') };
  return { start: block, deltas: () => [], whole: () => block };
}

/** A server tool's use and result: their whole content comes in `content_block_start`. */
function searchBlocks(digest: string): Block[] {
  const id = idFrom('srvtoolu_01', 22, digest);
  const page = {
    type: 'web_search_result',
    url: 'https://example.com/',
    title: 'Example',
    encrypted_content: 'c2lt',
    page_age: null,
  };
  const use = { type: 'server_tool_use', id, name: 'web_search', input: { query: 'example' } };
  const result = { type: 'web_search_tool_result', tool_use_id: id, content: [page] };
  return [use, result].map((block) => ({ start: block, deltas: () => [], whole: () => block }));
}

/** Calls to the tools that the request asks for: forced by tool_choice, named in the last text, or by directive. */
function toolCalls(body: Record<string, unknown>, exchange: Exchange): (Block & { tokens: number })[] {
  const tools = listOf(body['tools']).filter(isRecord);
  const choice = isRecord(body['tool_choice']) ? body['tool_choice'] : {};
  if (tools.length === 0 || choice['type'] === 'none' || lastToolResult(body) !== undefined) return [];
  const text = lastUserText(body['messages']);
  const forced =
    exchange.fault.tool?.split(',') ?? (choice['type'] === 'tool' ? [String(choice['name'])] : undefined);
  let wanted = tools.filter(({ name }) =>
    forced === undefined ? mentions(text, name) : forced.includes(String(name)),
  );
  if (wanted.length === 0 && choice['type'] === 'any') wanted = tools.slice(0, 1);
  if (choice['disable_parallel_tool_use'] === true) wanted = wanted.slice(0, 1);
  return wanted.map((tool, n) => {
    const input = sample(tool['input_schema'], `sim ${digestOf(exchange.digest).slice(0, 6)} é🙂`);
    const json = isRecord(input) && Object.keys(input).length === 0 ? '' : JSON.stringify(input);
    const id = idFrom('toolu_01', 22, exchange.seed, exchange.digest, String(n));
    const form = { type: 'tool_use', id, name: tool['name'] };
    return {
      start: { ...form, input: {} },
      *deltas() {
        yield { type: 'input_json_delta', partial_json: '' };
        for (const part of json.match(/[^]{1,11}/gu) ?? [])
          yield { type: 'input_json_delta', partial_json: part };
      },
      whole: () => ({ ...form, input }),
      tokens: tokensIn(Buffer.byteLength(json)),
    };
  });
}

function mentions(text: string, name: unknown): boolean {
  return typeof name === 'string' && text.includes(name);
}

function lastToolResult(body: Record<string, unknown>): string | undefined {
  const last = listOf(body['messages'])
    .filter((message) => isRecord(message) && message['role'] === 'user')
    .at(-1);
  const block = listOf(isRecord(last) ? last['content'] : undefined)
    .filter((one) => isRecord(one) && one['type'] === 'tool_result')
    .at(-1);
  if (!isRecord(block)) return undefined;
  const { content } = block;
  if (typeof content === 'string') return content;
  return listOf(content)
    .map((part) => (isRecord(part) && typeof part['text'] === 'string' ? part['text'] : ''))
    .join(' ');
}

/** Text of the last user message, where directives stand. */
export function lastUserText(messages: unknown): string {
  const last = listOf(messages)
    .filter((message) => isRecord(message) && message['role'] === 'user')
    .at(-1);
  if (!isRecord(last)) return '';
  if (typeof last['content'] === 'string') return last['content'];
  return listOf(last['content'])
    .map((block) => (isRecord(block) && block['type'] === 'text' ? String(block['text']) : ''))
    .join('\n');
}
