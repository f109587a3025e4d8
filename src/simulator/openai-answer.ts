import { isRecord, listOf, textOf, type Exchange } from './exchange.ts';
import { given } from './openai-check.ts';
import { abilitiesOf } from './openai-models.ts';
import { countChat, type ChatTokens, wholeUsage } from './openai-usage.ts';
import { digestOf, idFrom, sample, speak, think, tokensIn, wordsOf } from './speech.ts';

type Json = Readonly<Record<string, unknown>>;

export interface PlannedCall {
  readonly id: string;
  readonly name: string;
  /** The arguments' JSON text. */
  readonly input: string;
}

export interface PlannedChat {
  readonly id: string;
  readonly model: string;
  readonly created: number;
  readonly choices: number;
  /** In pieces as a stream tells them; empty where there is none. Made as they are taken. */
  readonly text: Iterable<string>;
  /** There is a text, if an empty one. */
  readonly speaks: boolean;
  /** Said instead of the text when the model declines. */
  readonly refusal: string | undefined;
  /** Shown as this field, where the server shows what was thought. */
  readonly thought: { readonly field: string; readonly text: string } | undefined;
  readonly calls: readonly PlannedCall[];
  readonly finish: string;
  readonly tokens: ChatTokens;
}

const REFUSAL = "I'm sorry, I can't assist with that.";

/** Decides the answer to a sound body; the same body gets the same answer. */
export function planChat(exchange: Exchange, body: Json): PlannedChat {
  const { fault, digest, seed } = exchange;
  const model = String(body['model']);
  const { efforts, thoughts } = abilitiesOf(model);
  const effort = body['reasoning_effort'] ?? efforts?.[0];
  const thinks = efforts !== undefined && effort !== 'none';
  const reasoning = thinks ? (fault.thinkingTokens ?? wordsOf(think(fault)).length) : 0;
  const field = fault.showThoughts ?? thoughts;

  const calls = toolCalls(body, exchange);
  const refusal = fault.stop === 'refusal' ? REFUSAL : undefined;
  const limit = Number(body['max_completion_tokens'] ?? body['max_tokens'] ?? Infinity);
  const spoken = speak(fault, digest, structured(body) ?? resultText(body), limit, stopsOf(body));
  const speaks = refusal === undefined && (calls.length === 0 || fault.say !== undefined);
  const called = calls.reduce((sum, call) => sum + tokensIn(Buffer.byteLength(call.input)), 0);
  const said = refusal === undefined ? spoken.tokens : wordsOf(refusal).length;
  const choices = given(body, 'n') ? Number(body['n']) : 1;
  const visible = (called + (speaks || refusal !== undefined ? said : 0)) * choices;
  const usual = calls.length > 0 ? 'tool_calls' : spoken.cutShort ? 'length' : 'stop';
  return {
    id: idFrom('chatcmpl-', 29, seed, digest),
    model,
    created: 1_760_000_000 + (Number.parseInt(digest.slice(0, 6), 16) % 10_000_000),
    choices,
    text: speaks ? spoken.deltas : [],
    speaks,
    refusal,
    thought: thinks && field !== undefined ? { field, text: think(fault) } : undefined,
    calls,
    finish: fault.finish ?? usual,
    tokens: {
      prompt: fault.inputTokens ?? countChat(body),
      cached: fault.cachedTokens ?? 0,
      completion: fault.outputTokens ?? reasoning + visible,
      reasoning,
    },
  };
}

/** The JSON answer. */
export function wholeChat(exchange: Exchange, planned: PlannedChat): object {
  const { thought, refusal, calls, speaks } = planned;
  const text = [...planned.text].join('');
  const message = {
    role: 'assistant',
    content: speaks ? text : null,
    ...(thought === undefined ? {} : { [thought.field]: thought.text }),
    refusal: refusal ?? null,
    annotations: [],
    ...(calls.length === 0 ? {} : { tool_calls: calls.map(wholeCall) }),
  };
  const usage = wholeUsage(planned.tokens, exchange.fault);
  return {
    id: planned.id,
    object: 'chat.completion',
    created: planned.created,
    model: planned.model,
    choices: Array.from({ length: planned.choices }, (_, index) => ({
      index,
      message,
      logprobs: null,
      finish_reason: planned.finish,
    })),
    ...(usage === undefined ? {} : { usage }),
    service_tier: 'default',
    system_fingerprint: 'fp_sim',
  };
}

function wholeCall({ id, name, input }: PlannedCall): object {
  return { id, type: 'function', function: { name, arguments: input } };
}

function structured(body: Json): string | undefined {
  const format = body['response_format'];
  if (!isRecord(format)) return undefined;
  if (format['type'] === 'json_object') return JSON.stringify({ answer: 'sim' });
  const told = format['type'] === 'json_schema' ? format['json_schema'] : undefined;
  return isRecord(told) ? JSON.stringify(sample(told['schema'], 'sim')) : undefined;
}

function stopsOf({ stop }: Json): readonly string[] {
  return typeof stop === 'string' ? [stop] : listOf(stop).map(textOf);
}

/** The last result that came since the assistant spoke; whatever the user says beside it, no tool is called then. */
function resultText(body: Json): string | undefined {
  const messages = listOf(body['messages']).filter(isRecord);
  const since = messages.slice(messages.findLastIndex(({ role }) => role === 'assistant') + 1);
  const last = since.findLast(({ role }) => role === 'tool');
  return last === undefined ? undefined : `The tool answered: ${contentText(last['content'])}`;
}

/** Calls to the tools that the request asks for: forced by tool_choice, named in the last text, or by directive. */
function toolCalls(body: Json, exchange: Exchange): PlannedCall[] {
  const tools = listOf(body['tools']).map((tool) => (isRecord(tool) ? tool['function'] : undefined));
  const choice = body['tool_choice'];
  if (choice === 'none' || resultText(body) !== undefined) return [];
  const named = choiceOf(choice);
  const forced = exchange.fault.tool?.split(',') ?? (named.must ? named.names : undefined);
  const text = lastChatText(body);
  const offered = tools.filter(isRecord).filter(({ name }) => named.may?.includes(String(name)) ?? true);
  let wanted = offered.filter(({ name }) =>
    forced === undefined ? text.includes(String(name)) : forced.includes(String(name)),
  );
  if (wanted.length === 0 && named.some) wanted = offered.slice(0, 1);
  if (body['parallel_tool_calls'] === false) wanted = wanted.slice(0, 1);
  return wanted.map((tool, n) => ({
    id: idFrom('call_', 24, exchange.seed, exchange.digest, String(n)),
    name: String(tool['name']),
    input: JSON.stringify(
      sample(tool['parameters'] ?? {}, `sim ${digestOf(exchange.digest).slice(0, 6)} é🙂`),
    ),
  }));
}

interface Choice {
  /** These are called, whatever the text says. */
  readonly must: boolean;
  readonly names: readonly string[];
  /** Only these may be called. */
  readonly may?: readonly string[];
  /** At least one is called. */
  readonly some: boolean;
}

function choiceOf(choice: unknown): Choice {
  if (!isRecord(choice)) return { must: false, names: [], some: choice === 'required' };
  const named = choice['function'];
  if (isRecord(named)) return { must: true, names: [String(named['name'])], some: true };
  const allowed = isRecord(choice['allowed_tools']) ? choice['allowed_tools'] : {};
  const may = listOf(allowed['tools']).map((tool) =>
    isRecord(tool) && isRecord(tool['function']) ? String(tool['function']['name']) : '',
  );
  return { must: false, names: [], may, some: allowed['mode'] === 'required' };
}

/** Text of the last user message, where directives stand, unless the assistant or a tool spoke after it. */
export function lastChatText(json: unknown): string {
  const messages = listOf(isRecord(json) ? json['messages'] : undefined).filter(isRecord);
  const last = messages.findLast(({ role }) => role !== 'system' && role !== 'developer');
  return last?.['role'] === 'user' ? contentText(last['content']) : '';
}

function contentText(content: unknown): string {
  if (typeof content === 'string') return content;
  return listOf(content)
    .map((part) => (isRecord(part) ? textOf(part['text']) : ''))
    .join('\n');
}
