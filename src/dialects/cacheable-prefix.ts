import { hash } from 'node:crypto';
import type { Span } from './dialect.ts';
import type { JsonToken, ScalarKind } from './json-token.ts';

/** Where a wire format keeps what its vendor caches, in the order in which the vendor does. */
export interface PrefixShape {
  /** Top-level names. */
  readonly tools: readonly string[];
  readonly system: readonly string[];
  readonly turns: readonly string[];
  /** The name of an object that says "cached up to here", in the block that it ends or as a block of its own. */
  readonly mark?: 'cache_control' | 'cachePoint';
  /** A turn without a role is the user's. */
  readonly userUnlessSaid?: boolean;
}

type Region = 'none' | 'tools' | 'system' | 'turns' | 'later-turns';
/** What the name before a value makes of it. */
type Next = 'plain' | 'skipped' | 'role' | 'mark' | 'ttl';

/** More texts, or turns before the first of the user's, tell sessions no better apart. */
const MOST_TEXTS = 256;
const MOST_TURNS = 16;
/**
 * Of each region, beside its length. Two that begin alike for so long have that much of the vendor's cache in common,
 * and each further 64 KB of every call would cost a fourth of what a bare proxy takes to pass them on.
 */
const MOST_BYTES = 16 * 1024;

/** Claude Code's first block, which is outside of its caching and says something else in each conversation. */
const BILLING = Buffer.from('x-anthropic-billing-header');
const USER = Buffer.from('user');
const HOUR = Buffer.from('1h');
const ROLE = Buffer.from('role');
const TYPE = Buffer.from('type');
const TTL = Buffer.from('ttl');
const MARKS = { cache_control: Buffer.from('cache_control'), cachePoint: Buffer.from('cachePoint') };

/**
 * Follows the one pass over a body and notes where the prefix stands that a conversation's calls have in common and
 * the vendor caches: tools, system, and the turns up to the user's first, cut at the last mark where that comes before.
 * Of system and turns only texts are noted, since clients write the same turn as a string and as blocks, and move
 * their marks as the conversation grows.
 *
 * State: the region that is passed, what the last name makes of its value, and the depths of a mark that is open and
 * of the block that it ends. Depths count the containers around a token: 1 inside of the body's object.
 */
export class CacheablePrefix {
  /** A mark asks for the one-hour cache (`ttl: "1h"`: Anthropic, "Prompt caching"; Bedrock's cachePoint alike). */
  forAnHour = false;

  private readonly system: Span[] = [];
  private readonly turns: Span[] = [];
  private readonly marks = new Map<Region, number>();
  private readonly mark: Uint8Array | undefined;
  private region: Region = 'none';
  private next: Next = 'plain';
  private markDepth = 0;
  private blockDepth = 0;
  private turnDepth = 0;
  private turnsSeen = 0;
  private isUser: boolean | undefined;

  constructor(private readonly shape: PrefixShape) {
    this.mark = shape.mark && MARKS[shape.mark];
  }

  /** A name of the body itself. */
  member(name: string): void {
    const { tools, system, turns, mark } = this.shape;
    this.next = name === mark ? 'mark' : 'plain';
    if (turns.includes(name)) this.region = 'turns';
    else if (system.includes(name)) this.region = 'system';
    else this.region = tools.includes(name) ? 'tools' : 'none';
  }

  name(token: JsonToken, depth: number): void {
    if (this.region === 'none' && this.markDepth === 0) return;
    this.next = 'plain';
    const length = token.end - token.start;
    if (this.markDepth > 0) {
      if (length === 3 && spells(token, TTL)) this.next = 'ttl';
    } else if (length === 4) {
      if (spells(token, ROLE)) this.next = depth === this.turnDepth ? 'role' : 'skipped';
      else if (spells(token, TYPE)) this.next = 'skipped';
    } else if (this.mark !== undefined && length === this.mark.length && spells(token, this.mark)) {
      this.next = 'mark';
    }
  }

  scalar(kind: ScalarKind, token: JsonToken, end: number, depth: number): void {
    if (this.region === 'none' && this.markDepth === 0) return;
    const { next } = this;
    this.next = 'plain';
    if (this.markDepth > 0) {
      if (next === 'ttl' && spells(token, HOUR)) this.forAnHour = true;
    } else if (next === 'role') {
      this.isUser = spells(token, USER);
    } else if (next === 'plain' && kind === 'string') {
      const texts = this.region === 'system' ? this.system : this.region === 'turns' ? this.turns : undefined;
      if (texts !== undefined && texts.length < MOST_TEXTS) texts.push({ start: token.at + 1, end: end - 1 });
      if (depth === 1 && this.region === 'turns') this.region = 'later-turns';
    }
  }

  /** @param depth around the container that opens */
  open(array: boolean, depth: number): void {
    const { next } = this;
    if (this.region === 'none' && next === 'plain') return;
    this.next = 'plain';
    if (this.markDepth > 0) return;
    if (next === 'mark' && !array) this.markDepth = depth + 1;
    else if (depth === 1 && this.region === 'turns') this.turnDepth = array ? 3 : 2;
  }

  /** @param depth around the container that closed */
  close(at: number, depth: number): void {
    if (this.markDepth > 0) {
      if (depth >= this.markDepth) return;
      this.markDepth = 0;
      if (depth === 1) this.marks.set('later-turns', at);
      // Of blocks within blocks, the outer one ends later.
      else if (this.blockDepth === 0) this.blockDepth = depth;
      return;
    }
    if (this.blockDepth > 0 && depth < this.blockDepth) {
      this.blockDepth = 0;
      this.marks.set(this.region, at);
    }
    if (this.region === 'turns' && depth === this.turnDepth - 1) this.turnEnds();
  }

  /** Of what was noted, hexadecimal; undefined when that is nothing. */
  digest(body: Buffer, toolsAt: (name: string) => Span | undefined): string | undefined {
    const { marks } = this;
    const last = (['later-turns', 'turns', 'system', 'tools'] as const).find((region) => marks.has(region));
    const end = (region: Region): number => (last === region ? (marks.get(region) ?? 0) : Infinity);
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    const take = (region: Region, spans: readonly Span[]): void => {
      bytes += takeSpans(
        pieces,
        body,
        spans.filter(({ start }) => start < end(region)),
        end(region),
      );
    };
    take(
      'tools',
      this.shape.tools.flatMap((name) => toolsAt(name) ?? []),
    );
    if (last !== 'tools') {
      take(
        'system',
        this.system.filter(({ start }) => !begins(body, start, BILLING)),
      );
      if (last !== 'system') take('turns', this.turns);
    }
    return bytes === 0 ? undefined : hash('sha256', Buffer.concat(pieces));
  }

  private turnEnds(): void {
    this.turnsSeen += 1;
    const isFirst = this.isUser ?? this.shape.userUnlessSaid ?? false;
    this.isUser = undefined;
    if (isFirst || this.turnsSeen === MOST_TURNS) this.region = 'later-turns';
  }
}

/** The beginnings of the spans, up to the bound of a region, and how long they are together, which is the answer. */
function takeSpans(pieces: Uint8Array[], body: Buffer, spans: readonly Span[], end: number): number {
  let left = MOST_BYTES;
  let bytes = 0;
  for (const span of spans) {
    const until = Math.min(span.end, end);
    const taken = Math.min(until - span.start, left);
    if (taken > 0) pieces.push(body.subarray(span.start, span.start + taken));
    left -= taken;
    bytes += until - span.start;
  }
  pieces.push(Buffer.from(`\0${bytes}\0`));
  return bytes;
}

function spells(token: JsonToken, text: Uint8Array): boolean {
  const { bytes, start, end } = token;
  if (end - start !== text.length) return false;
  for (let i = 0; i < text.length; i += 1) if (bytes[start + i] !== text[i]) return false;
  return true;
}

function begins(body: Buffer, at: number, text: Buffer): boolean {
  return body.subarray(at, at + text.length).equals(text);
}
