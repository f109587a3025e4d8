import { randomUUID } from 'node:crypto';
import type { NeutralEvent } from '../neutral.ts';
import { MAX_FRAME_BYTES } from '../sides.ts';

type Json = Readonly<Record<string, unknown>>;

interface Call {
  readonly id: string;
  readonly name: string;
  /** All of its arguments that came. */
  input: string;
  /** How much of them was told as deltas. */
  told: number;
  over: boolean;
}

/**
 * The tool calls of one answer. Servers tell them by their index, usually one after another; what the middle form wants
 * is one after another always. So the first call that is not over is told as it comes, and those behind it are kept: it
 * is over once another has begun and its own arguments are a whole object, or when the answer ends.
 *
 * States: no call; one open, told as it comes; others waiting behind it; over.
 */
export class ChatToolCalls {
  private readonly calls = new Map<unknown, Call>();
  private waiting: Call[] = [];
  private open: Call | undefined;
  private last: Call | undefined;
  private size = 0;
  private count = 0;

  get called(): boolean {
    return this.count > 0;
  }

  /** @param answerId ids of calls that have none are made of it */
  take(delta: Json, answerId: string): readonly NeutralEvent[] {
    const told = objectOf(delta['function']);
    const name = textOf(told['name']);
    const id = textOf(delta['id']);
    const known = this.known(delta['index'], id, name);
    const call = known ?? this.begin(delta['index'], id, name, answerId);
    this.last = call;
    const input = argumentsOf(told['arguments']);
    if (call.over && input.trim() !== '') throw new Error('A tool got arguments after its call was over');
    this.size += input.length;
    if (this.size > MAX_FRAME_BYTES)
      throw new Error('The arguments of a tool are too large to be translated');
    call.input += input;
    return this.advance();
  }

  /** Nothing more comes: whatever waits is told. */
  end(): readonly NeutralEvent[] {
    const events: NeutralEvent[] = [];
    while (this.open !== undefined) {
      events.push(...this.tell(this.open), ...this.close(this.open), ...this.next());
    }
    return events;
  }

  /** Without an index a name begins another call. Some servers give every call the index 0, and an id of its own. */
  private known(index: unknown, id: string, name: string): Call | undefined {
    if (index === undefined) return name === '' ? this.last : undefined;
    const known = this.calls.get(index);
    const another = name !== '' && id !== '' && id !== known?.id;
    return another ? undefined : known;
  }

  private begin(index: unknown, id: string, name: string, answerId: string): Call {
    this.count += 1;
    const answer = answerId.replace(/[^A-Za-z0-9_-]/g, '') || randomUUID().replaceAll('-', '');
    const call = { id: id || `call_${answer}_${this.count}`, name, input: '', told: 0, over: false };
    this.calls.set(index, call);
    this.waiting.push(call);
    return call;
  }

  private advance(): readonly NeutralEvent[] {
    const events: NeutralEvent[] = [];
    if (this.open !== undefined) events.push(...this.tell(this.open));
    while (this.waiting.length > 0 && (this.open === undefined || isWhole(this.open.input))) {
      if (this.open !== undefined) events.push(...this.close(this.open));
      events.push(...this.next());
    }
    return events;
  }

  private next(): readonly NeutralEvent[] {
    this.open = this.waiting.shift();
    if (this.open === undefined) return [];
    const { id, name } = this.open;
    return [{ type: 'part', part: 'tool-call', id, name }, ...this.tell(this.open)];
  }

  private close(call: Call): readonly NeutralEvent[] {
    call.over = true;
    return [{ type: 'part-end' }];
  }

  private tell(call: Call): readonly NeutralEvent[] {
    const text = call.input.slice(call.told);
    call.told = call.input.length;
    return text === '' ? [] : [{ type: 'delta', text }];
  }
}

function isWhole(input: string): boolean {
  if (!input.trimEnd().endsWith('}')) return false;
  try {
    JSON.parse(input);
    return true;
  } catch {
    return false;
  }
}

/** Some servers give the arguments as the object itself. */
function argumentsOf(value: unknown): string {
  if (typeof value === 'string') return value;
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : '';
}

function objectOf(value: unknown): Json {
  return typeof value === 'object' && value !== null ? (value as Json) : {};
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
