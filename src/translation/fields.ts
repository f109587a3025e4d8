import { CallError } from '../dialects/dialect.ts';
import type { Leftover } from './neutral.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

/** Where a reader leaves what it finds no place for. */
export type Leave = (leftover: Leftover) => void;

/** The name under which a field is taken, whatever way the client may write it. */
export type Spelling = (written: string) => string;

const asWritten: Spelling = (name) => name;

/** Of one list: as many as Anthropic takes of messages ("a limit of 100,000 messages in a single request"). */
const MAX_ITEMS = 100_000;

/** @throws CallError when the list is longer than any that a vendor takes; each item costs more than its few bytes */
export function bounded(list: readonly unknown[], at: string): readonly unknown[] {
  if (list.length > MAX_ITEMS) throw new CallError(`${at}: has more than ${MAX_ITEMS} items`);
  return list;
}

/**
 * The members of one object of a client's request: each is taken by its name, and what nobody took is left over. A `null`
 * is a field that is not there, as clients write what was not set.
 */
export class Fields {
  private readonly untaken: Map<string, { readonly written: string; readonly value: unknown }>;

  private constructor(
    source: JsonObject,
    readonly at: string,
    private readonly spelling: Spelling,
  ) {
    this.untaken = new Map();
    for (const [written, value] of Object.entries(source)) {
      if (value === null) continue;
      const name = spelling(written);
      if (this.untaken.has(name)) throw new CallError(`${this.path(written)}: is given twice`);
      this.untaken.set(name, { written, value });
    }
  }

  /** @throws CallError when it is no object */
  static of(value: unknown, at: string, spelling = asWritten): Fields {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new CallError(`${at === '' ? 'body' : at}: must be an object`);
    }
    return new Fields(value as JsonObject, at, spelling);
  }

  take(name: string): unknown {
    const found = this.untaken.get(name);
    this.untaken.delete(name);
    return found?.value;
  }

  /** Is it there, and where did the client write it? */
  atOf(name: string): string | undefined {
    const found = this.untaken.get(name);
    return found && this.path(found.written);
  }

  object(name: string): Fields | undefined {
    const at = this.atOf(name);
    return at === undefined ? undefined : Fields.of(this.take(name), at, this.spelling);
  }

  text(name: string): string | undefined {
    return this.typed(name, 'string', 'a string');
  }

  number(name: string): number | undefined {
    return this.typed(name, 'number', 'a number');
  }

  flag(name: string): boolean | undefined {
    return this.typed(name, 'boolean', 'true or false');
  }

  texts(name: string): readonly string[] | undefined {
    const at = this.atOf(name);
    const value = this.take(name);
    if (at === undefined) return undefined;
    if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return value;
    throw new CallError(`${at}: must be a list of strings`);
  }

  /** A JSON object as it is, whatever it holds. */
  json(name: string): JsonObject | undefined {
    const at = this.atOf(name);
    const value = this.take(name);
    if (at === undefined) return undefined;
    Fields.of(value, at);
    return value as JsonObject;
  }

  /** A list; one item may stand for a list of one, which Google's own guides write as well. */
  list(name: string): readonly { readonly item: unknown; readonly at: string }[] {
    const at = this.atOf(name);
    const value = this.take(name);
    if (at === undefined) return [];
    return Array.isArray(value)
      ? bounded(value, at).map((item, i) => ({ item, at: `${at}[${i}]` }))
      : [{ item: value, at }];
  }

  /** What nobody took. */
  rest(): readonly { readonly name: string; readonly at: string; readonly value: unknown }[] {
    const rest = [...this.untaken].map(([name, { written, value }]) => ({
      name,
      at: this.path(written),
      value,
    }));
    this.untaken.clear();
    return rest;
  }

  private typed<T>(name: string, type: 'string' | 'number' | 'boolean', what: string): T | undefined {
    const at = this.atOf(name);
    const value = this.take(name);
    if (at === undefined) return undefined;
    if (typeof value === type) return value as T;
    throw new CallError(`${at}: must be ${what}`);
  }

  private path(written: string): string {
    return this.at === '' ? written : `${this.at}.${written}`;
  }
}
