import type { Usage } from './dialect.ts';
import { type JsonToken, type ScalarKind, tokenText } from './json-token.ts';

/**
 * Token counts as an upstream reports them, by the vendor's own names. Those of the document at hand wait until it is
 * whole; then each replaces what was known under its name, and a name that is absent or null stays as it was.
 */
export class TokenCounts {
  /** At least one count was reported. */
  reported = false;
  /** A count was no non-negative safe integer; it was ignored. */
  suspicious = false;

  private known = new Map<string, number>();
  private waiting = new Map<string, number>();

  /** How many names are kept at most: an upstream may invent them. */
  private static readonly MAX = 64;

  get(name: string): number | undefined {
    return this.known.get(name);
  }

  /** Reads a scalar that should be a count. */
  hear(name: string, kind: ScalarKind, token: JsonToken): void {
    const count = this.read(kind, token);
    if (count === undefined) return;
    if (this.waiting.size < TokenCounts.MAX || this.waiting.has(name)) this.waiting.set(name, count);
  }

  /** @returns undefined for null and for what is no count. */
  read(kind: ScalarKind, token: JsonToken): number | undefined {
    if (kind === 'null') return undefined;
    const count = kind === 'number' ? numberOf(token) : Number.NaN;
    if (Number.isSafeInteger(count) && count >= 0) return count + 0;
    this.suspicious = true;
    return undefined;
  }

  accept(): void {
    if (this.waiting.size === 0) return;
    this.reported = true;
    if (this.known.size === 0) {
      [this.known, this.waiting] = [this.waiting, this.known];
      return;
    }
    for (const [name, count] of this.waiting) {
      if (this.known.size < TokenCounts.MAX || this.known.has(name)) this.known.set(name, count);
    }
    this.waiting.clear();
  }

  drop(): void {
    if (this.waiting.size > 0) this.waiting.clear();
  }

  /** Counts whose names begin with `prefix`, without it. */
  under(prefix: string): Record<string, number> {
    const entries: [string, number][] = [];
    for (const [name, count] of this.known) {
      if (name.startsWith(prefix)) entries.push([name.slice(prefix.length), count]);
    }
    return Object.fromEntries(entries);
  }
}

/** Short runs of digits, which is what counts are, without the detour of a string. */
function numberOf(token: JsonToken): number {
  const { bytes, start, end } = token;
  if (token.long) return Number.NaN;
  let value = 0;
  for (let i = start; i < end; i += 1) {
    const digit = bytes[i]! - 0x30;
    if (digit < 0 || digit > 9 || i - start > 12) return Number(tokenText(token));
    value = value * 10 + digit;
  }
  return value;
}

/** Sums stay safe integers, whatever was reported. */
export function safe(usage: Usage): Usage {
  const cap = (count: number): number => Math.min(count, Number.MAX_SAFE_INTEGER);
  return {
    inputTokens: cap(usage.inputTokens),
    cacheReadTokens: cap(usage.cacheReadTokens),
    cacheWrite5mTokens: cap(usage.cacheWrite5mTokens),
    cacheWrite1hTokens: cap(usage.cacheWrite1hTokens),
    outputTokens: cap(usage.outputTokens),
    reasoningTokens: cap(usage.reasoningTokens),
    serverTools: usage.serverTools,
  };
}
