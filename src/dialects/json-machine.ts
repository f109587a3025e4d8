/**
 * A strict JSON reader (RFC 8259) that sees each byte once, may be stopped after any byte, and builds nothing.
 *
 * States: it expects a value, a name, a colon or what may follow a value (structural states); or it stands inside a
 * token (a string, its escape, a number, a word); or it is done with the document (white space may follow), or
 * broken for good. The document must be an object or an array. The containers that are open are kept as one byte a
 * level. A token that is split over two pushes is carried, up to 4 KiB of it.
 *
 * UTF-8 is not checked here: bytes from 0x80 up are taken as they are inside strings and refused elsewhere.
 */

import { ENDS, MINUS, nextInNumber, WHOLE, WRONG, ZERO } from './json-number.ts';
import type { JsonListener, JsonToken } from './json-token.ts';
import { PlainRun } from './plain-run.ts';

export interface JsonLimits {
  readonly depth: number;
  /** Names of object members, all levels together. */
  readonly names: number;
}

export interface JsonProblem {
  readonly reason: string;
  readonly at: number;
}

const CARRY_BYTES = 4096;
/** Documents are seldom as deep; V8 keeps so few bytes beside the object, without an allocation of their own. */
const USUAL_DEPTH = 64;

const FIRST_ITEM = 0;
const VALUE = 1;
const FIRST_NAME = 2;
const NAME = 3;
const COLON = 4;
const AFTER = 5;
const START = 6;
const DONE = 7;
const BROKEN = 8;
/** From here on inside a token. */
const STRING = 9;
const ESCAPE = 10;
const HEX = 11;
const WORD = 12;

const OBJECT = 0;
const ARRAY = 1;

const EMPTY = new Uint8Array(0);
const TRUE = Buffer.from('true');
const FALSE = Buffer.from('false');
const NULL = Buffer.from('null');

export class JsonMachine implements JsonToken {
  bytes: Uint8Array = EMPTY;
  start = 0;
  end = 0;
  long = false;
  escaped = false;
  decodedBytes = 0;
  at = 0;

  /** Set once, when the document is found not to be JSON or to be over a limit. */
  problem: JsonProblem | undefined;
  depth = 0;

  private readonly listener: JsonListener;
  private readonly limits: JsonLimits;
  private containers: Uint8Array;
  private readonly plain = new PlainRun();
  private state = START;
  private names = 0;
  private naming = false;
  private word: Uint8Array = TRUE;
  private wordAt = 0;
  private hexDigits = 0;
  private hex = 0;
  private consumed = 0;
  private scratch: Buffer | undefined;
  private carried = 0;

  constructor(listener: JsonListener, limits: JsonLimits) {
    this.listener = listener;
    this.limits = limits;
    this.containers = new Uint8Array(Math.min(limits.depth, USUAL_DEPTH));
  }

  /** The document is closed. */
  get done(): boolean {
    return this.state === DONE;
  }

  /** Nothing but white space came yet. */
  get untouched(): boolean {
    return this.state === START;
  }

  /** Outside of any token, after a member or an item: a comma or the container's end may follow. */
  get afterItem(): boolean {
    return this.state === AFTER;
  }

  /** Decoded bytes so far of a string that stands as a value and has not ended. */
  get unfinishedBytes(): number {
    return this.state >= STRING && this.state <= HEX && !this.naming ? this.decodedBytes : 0;
  }

  /** Ready for another document. */
  reset(): void {
    this.state = START;
    this.depth = 0;
    this.names = 0;
    this.consumed = 0;
    this.carried = 0;
    this.problem = undefined;
  }

  push(bytes: Uint8Array, from: number, to: number): void {
    let i = from;
    if (this.state >= STRING) this.start = from;
    while (i < to) {
      const state = this.state;
      if (state === STRING) i = this.string(bytes, i, to);
      else if (state > WORD) i = this.number(bytes, i, to, from);
      else if (state < DONE) i = this.structure(bytes, i, from);
      else if (state === ESCAPE) i = this.escape(bytes, i);
      else if (state === HEX) i = this.hexDigit(bytes, i);
      else if (state === WORD) i = this.letter(bytes, i);
      else if (state === DONE) i = this.trailer(bytes, i);
      else return;
    }
    if (this.state >= STRING) this.carry(bytes, to);
    this.consumed += to - from;
  }

  private structure(bytes: Uint8Array, i: number, from: number): number {
    const b = bytes[i]!;
    if (b === 0x20 || b === 0x0a || b === 0x0d || b === 0x09) return i + 1;
    switch (this.state) {
      case AFTER: {
        const container = this.containers[this.depth - 1];
        if (b === 0x2c) {
          this.state = container === OBJECT ? NAME : VALUE;
          return i + 1;
        }
        if (b === (container === OBJECT ? 0x7d : 0x5d)) return this.leave(i, from);
        return this.fail(container === OBJECT ? 'expected "," or "}"' : 'expected "," or "]"', i);
      }
      case FIRST_NAME:
        if (b === 0x7d) return this.leave(i, from);
        if (b === 0x22) return this.quote(i, true);
        return this.fail('expected a name or "}"', i);
      case NAME:
        if (b === 0x22) return this.quote(i, true);
        return this.fail('expected a name', i);
      case COLON:
        if (b !== 0x3a) return this.fail('expected ":"', i);
        this.state = VALUE;
        return i + 1;
      case FIRST_ITEM:
        if (b === 0x5d) return this.leave(i, from);
        return this.value(b, i, from);
      case START:
        if (b === 0x7b || b === 0x5b) return this.value(b, i, from);
        if (b === 0xef) return this.fail('expected "{" without a byte order mark', i);
        return this.fail('expected an object or an array', i);
      default:
        return this.value(b, i, from);
    }
  }

  private value(b: number, i: number, from: number): number {
    switch (b) {
      case 0x22:
        return this.quote(i, false);
      case 0x7b:
        return this.enter(OBJECT, i, from);
      case 0x5b:
        return this.enter(ARRAY, i, from);
      case 0x74:
        return this.beginWord(TRUE, i);
      case 0x66:
        return this.beginWord(FALSE, i);
      case 0x6e:
        return this.beginWord(NULL, i);
      case 0x2d:
        return this.begin(MINUS, i);
      case 0x30:
        return this.begin(ZERO, i);
      default:
        if (b >= 0x31 && b <= 0x39) return this.begin(WHOLE, i);
        return this.fail('expected a value', i);
    }
  }

  private begin(state: number, i: number): number {
    this.state = state;
    this.at = i;
    this.start = i;
    this.carried = 0;
    this.long = false;
    return i + 1;
  }

  private quote(i: number, naming: boolean): number {
    this.naming = naming;
    this.escaped = false;
    this.decodedBytes = 0;
    this.begin(STRING, i);
    this.start = i + 1;
    return i + 1;
  }

  private beginWord(word: Uint8Array, i: number): number {
    this.word = word;
    this.wordAt = 1;
    return this.begin(WORD, i);
  }

  private enter(container: number, i: number, from: number): number {
    if (this.depth === this.limits.depth) {
      return this.fail(`nested deeper than ${this.limits.depth} levels`, i);
    }
    if (this.depth === this.containers.length) this.deepen();
    this.containers[this.depth] = container;
    this.depth += 1;
    this.state = container === OBJECT ? FIRST_NAME : FIRST_ITEM;
    this.listener.open(container === ARRAY, i, this.consumed + i - from);
    return i + 1;
  }

  private deepen(): void {
    const { containers } = this;
    this.containers = new Uint8Array(Math.min(2 * containers.length, this.limits.depth));
    this.containers.set(containers);
  }

  private leave(i: number, from: number): number {
    this.depth -= 1;
    this.state = this.depth === 0 ? DONE : AFTER;
    this.listener.close(i, this.containers[this.depth] === ARRAY, this.consumed + i - from);
    return i + 1;
  }

  private string(bytes: Uint8Array, from: number, to: number): number {
    const i = this.plain.end(bytes, from, to);
    this.decodedBytes += i - from;
    if (i === to) return i;
    const b = bytes[i]!;
    if (b === 0x5c) {
      this.escaped = true;
      this.state = ESCAPE;
      return i + 1;
    }
    if (b !== 0x22) return this.fail('control character in a string', i);
    if (this.naming) {
      this.names += 1;
      if (this.names > this.limits.names) return this.fail(`more than ${this.limits.names} members`, i);
      this.state = COLON;
      this.finish(bytes, i);
      this.listener.name(this);
    } else {
      this.state = AFTER;
      this.finish(bytes, i);
      this.listener.scalar('string', this, i + 1);
    }
    return i + 1;
  }

  private escape(bytes: Uint8Array, i: number): number {
    switch (bytes[i]) {
      case 0x22:
      case 0x5c:
      case 0x2f:
      case 0x62:
      case 0x66:
      case 0x6e:
      case 0x72:
      case 0x74:
        this.decodedBytes += 1;
        this.state = STRING;
        return i + 1;
      case 0x75:
        this.hexDigits = 0;
        this.hex = 0;
        this.state = HEX;
        return i + 1;
      default:
        return this.fail('unknown escape in a string', i);
    }
  }

  private hexDigit(bytes: Uint8Array, i: number): number {
    const b = bytes[i]!;
    const low = b | 0x20;
    let digit: number;
    if (b >= 0x30 && b <= 0x39) digit = b - 0x30;
    else if (low >= 0x61 && low <= 0x66) digit = low - 0x57;
    else return this.fail('\\u needs four hexadecimal digits', i);
    this.hex = this.hex * 16 + digit;
    this.hexDigits += 1;
    if (this.hexDigits === 4) {
      this.decodedBytes += utf8Bytes(this.hex);
      this.state = STRING;
    }
    return i + 1;
  }

  private letter(bytes: Uint8Array, i: number): number {
    if (bytes[i] !== this.word[this.wordAt]) return this.fail('expected a value', i);
    this.wordAt += 1;
    if (this.wordAt === this.word.length) {
      this.state = AFTER;
      this.finish(bytes, i + 1);
      this.listener.scalar(this.word === NULL ? 'null' : 'boolean', this, i + 1);
    }
    return i + 1;
  }

  private number(bytes: Uint8Array, from: number, to: number, pushed: number): number {
    let state = this.state;
    let i = from;
    while (i < to) {
      const b = bytes[i]!;
      const next = nextInNumber(state, b);
      if (next === ENDS) {
        this.state = AFTER;
        this.finish(bytes, i);
        this.listener.scalar('number', this, i);
        return this.structure(bytes, i, pushed);
      }
      if (next === WRONG) return this.fail('not a number', i);
      state = next;
      i += 1;
    }
    this.state = state;
    return i;
  }

  private trailer(bytes: Uint8Array, i: number): number {
    const b = bytes[i]!;
    if (b === 0x20 || b === 0x0a || b === 0x0d || b === 0x09) return i + 1;
    return this.fail('nothing may follow the document', i);
  }

  private fail(reason: string, at: number): number {
    this.state = BROKEN;
    this.problem = { reason, at };
    return at;
  }

  /** The token ends before `i`. */
  private finish(bytes: Uint8Array, i: number): void {
    if (this.carried === 0) {
      this.bytes = bytes;
      this.end = i;
      return;
    }
    this.keep(bytes, i);
    this.bytes = this.scratch ?? EMPTY;
    this.start = 0;
    this.end = this.carried;
  }

  private carry(bytes: Uint8Array, to: number): void {
    this.keep(bytes, to);
    this.start = to;
  }

  private keep(bytes: Uint8Array, to: number): void {
    this.scratch ??= Buffer.allocUnsafe(CARRY_BYTES);
    const room = CARRY_BYTES - this.carried;
    const length = to - this.start;
    if (length > room) this.long = true;
    const kept = Math.min(length, room);
    this.scratch.set(bytes.subarray(this.start, this.start + kept), this.carried);
    this.carried += kept;
  }
}

/** UTF-8 bytes of a UTF-16 unit; each half of a surrogate pair counts for two of the pair's four. */
function utf8Bytes(unit: number): number {
  if (unit < 0x80) return 1;
  if (unit < 0x800) return 2;
  return unit >= 0xd800 && unit <= 0xdfff ? 2 : 3;
}
