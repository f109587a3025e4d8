import { withoutDirectives, type Fault } from './faults.ts';
import { isRecord, listOf } from './exchange.ts';
import { digestOf, tokensIn } from './speech.ts';

/** Input classes as the API tells them: disjoint, their sum is the whole input. */
export interface InputTokens {
  readonly input: number;
  readonly read: number;
  readonly write5m: number;
  readonly write1h: number;
}

interface Segment {
  readonly text: string;
  /** Set when a cache mark stands on it. */
  readonly ttl: '5m' | '1h' | undefined;
}

/** Remembered prefixes; the oldest is forgotten beyond that. They do not expire by time, so that tests repeat. */
const REMEMBERED = 10_000;

/** Prompt caching. State: the digests of the prefixes written by each credential, in the order of writing. */
export class PromptCache {
  private readonly prefixes = new Set<string>();

  clear(): void {
    this.prefixes.clear();
  }

  /** Reads the longest remembered prefix that ends at a mark, and writes the rest up to the last mark. */
  count(body: Record<string, unknown>, credential: string): InputTokens {
    const segments = segmentsOf(body);
    if (segments.every(({ ttl }) => ttl === undefined)) {
      return { input: countInput(body), read: 0, write5m: 0, write1h: 0 };
    }
    let bytes = 0;
    let prefix = digestOf(credential, String(body['model']));
    let read = 0;
    let marked = 0;
    let write1h = 0;
    const written: string[] = [];
    for (const { text, ttl } of segments) {
      bytes += Buffer.byteLength(text);
      prefix = digestOf(prefix, text);
      if (ttl === undefined) continue;
      const tokens = tokensIn(bytes);
      if (this.prefixes.has(prefix)) {
        read = tokens;
        write1h = 0;
      } else {
        if (ttl === '1h') write1h += tokens - marked;
        written.push(prefix);
      }
      marked = tokens;
    }
    for (const one of written) this.remember(one);
    return { input: tokensIn(bytes) - marked, read, write5m: marked - read - write1h, write1h };
  }

  private remember(prefix: string): void {
    this.prefixes.add(prefix);
    if (this.prefixes.size > REMEMBERED) this.prefixes.delete(this.prefixes.values().next().value ?? '');
  }
}

/** The whole input without caching: what `count_tokens` answers. */
export function countInput(body: Record<string, unknown>): number {
  return tokensIn(segmentsOf(body).reduce((sum, segment) => sum + Buffer.byteLength(segment.text), 0));
}

/** The prompt in the order in which it is cached: tools, system, messages. Texts count as they are, the rest as JSON. */
function segmentsOf(body: Record<string, unknown>): Segment[] {
  const blocks: unknown[] = [...listOf(body['tools'])];
  const add = (content: unknown): void => {
    if (typeof content === 'string') blocks.push({ type: 'text', text: content });
    else blocks.push(...listOf(content));
  };
  add(body['system']);
  for (const message of listOf(body['messages'])) if (isRecord(message)) add(message['content']);
  const segments = blocks.map(segmentOf);
  const last = segments.at(-1);
  const whole = ttlOf(body['cache_control']);
  if (last !== undefined && whole !== undefined) segments[segments.length - 1] = { ...last, ttl: whole };
  return segments;
}

function segmentOf(block: unknown): Segment {
  if (!isRecord(block)) return { text: JSON.stringify(block), ttl: undefined };
  const { cache_control: mark, ...rest } = block;
  const text =
    block['type'] === 'text' && typeof block['text'] === 'string' ? block['text'] : JSON.stringify(rest);
  return { text: withoutDirectives(text), ttl: ttlOf(mark) };
}

function ttlOf(mark: unknown): '5m' | '1h' | undefined {
  if (!isRecord(mark)) return undefined;
  return mark['ttl'] === '1h' ? '1h' : '5m';
}

/** The usage object of `message_start` and of a JSON answer. */
export function startUsage(
  input: InputTokens,
  output: number,
  fault: Fault,
  extra: object = {},
): object | undefined {
  return varied(
    {
      input_tokens: input.input,
      cache_creation_input_tokens: input.write5m + input.write1h,
      cache_read_input_tokens: input.read,
      cache_creation: {
        ephemeral_5m_input_tokens: input.write5m,
        ephemeral_1h_input_tokens: input.write1h,
      },
      output_tokens: output,
      service_tier: 'standard',
      ...extra,
    },
    fault,
  );
}

/** The cumulative usage of each `message_delta`, in order: usually one. */
export function deltaUsages(
  input: InputTokens,
  output: number,
  fault: Fault,
  extra: object = {},
): (object | undefined)[] {
  const whole = (tokens: number): object => ({
    input_tokens: input.input,
    cache_creation_input_tokens: input.write5m + input.write1h,
    cache_read_input_tokens: input.read,
    output_tokens: tokens,
    ...extra,
  });
  if (fault.usage === 'repeated') return [whole(output), whole(output), whole(output)];
  if (fault.usage === 'falling') return [whole(output * 2), whole(output + 1), whole(output)];
  if (fault.usage === 'output-only') return [{ output_tokens: output }];
  return [varied(whole(output), fault)];
}

/** The fault's variant of every number in a usage object; undefined = no usage at all. */
export function varied(usage: object, fault: Fault): object | undefined {
  const every = (value: unknown): object => replaceNumbers(usage, value) as object;
  switch (fault.usage) {
    case 'missing':
      return undefined;
    case 'null':
      return every(null);
    case 'zero':
      return every(0);
    case 'negative':
      return every(-1);
    case 'huge':
      return every(2 ** 53 + 2);
    case 'float':
      return every(12.5);
    case 'string':
      return every('12');
    case 'repeated':
    case 'falling':
    case 'output-only':
    case 'last-chunk':
    case 'every-chunk':
    case undefined:
      return usage;
  }
}

function replaceNumbers(value: unknown, by: unknown): unknown {
  if (typeof value === 'number') return by;
  if (!isRecord(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, replaceNumbers(inner, by)]));
}
