import type { Usage } from './dialect.ts';
import { type JsonToken, type ScalarKind, tokenText } from './json-token.ts';
import { safe, TokenCounts } from './token-counts.ts';

const INPUT = 'usage.inputTokens';
const OUTPUT = 'usage.outputTokens';
const TOTAL = 'usage.totalTokens';
const READ = 'usage.cacheReadInputTokens';
const WRITTEN = 'usage.cacheWriteInputTokens';
const COUNTS = new Set([INPUT, OUTPUT, TOTAL, READ, WRITTEN]);

const DETAILS = 'usage.cacheDetails';
const DETAIL = `${DETAILS}[]`;

export const CONVERSE_USAGE: readonly string[] = [
  ...COUNTS,
  DETAILS,
  DETAIL,
  `${DETAIL}.ttl`,
  `${DETAIL}.inputTokens`,
];

/** Tokens that went into the cache: all of them, and those kept for an hour. */
interface Written {
  readonly all: number;
  readonly hour: number;
}
const NOTHING: Written = { all: 0, hour: 0 };

/**
 * Converse's usage: the input leaves out what was read from the cache and written to it (AWS Bedrock user guide, "Prompt
 * caching": total input = inputTokens + cacheReadInputTokens + cacheWriteInputTokens), and `cacheDetails` splits the
 * writes by how long they are kept (`CacheDetail` in @aws-sdk/client-bedrock-runtime 3.1164).
 */
export class ConverseUsage {
  private readonly counts = new TokenCounts();
  private detail: { ttl: string; tokens: number } | undefined;
  /** Of the document at hand, until it is whole. */
  private waiting: Written | undefined;
  private written: Written = NOTHING;

  get reported(): boolean {
    return this.counts.reported;
  }

  /** A total that is another sum than AWS' documentation has it: input may have been counted in another way. */
  get suspicious(): boolean {
    const { inputTokens, cacheReadTokens, cacheWrite5mTokens, cacheWrite1hTokens, outputTokens } = this.value;
    const sum = inputTokens + cacheReadTokens + cacheWrite5mTokens + cacheWrite1hTokens + outputTokens;
    return this.counts.suspicious || (this.counts.get(TOTAL) ?? sum) !== sum;
  }

  scalar(path: string, kind: ScalarKind, token: JsonToken): void {
    if (COUNTS.has(path)) this.counts.hear(path, kind, token);
    else if (this.detail === undefined) return;
    else if (path === `${DETAIL}.ttl`) this.detail.ttl = kind === 'string' ? tokenText(token) : '';
    else if (path === `${DETAIL}.inputTokens`) this.detail.tokens = this.counts.read(kind, token) ?? 0;
  }

  open(path: string): void {
    if (path === DETAILS) this.waiting = NOTHING;
    else if (path === DETAIL) this.detail = { ttl: '', tokens: 0 };
    else if (COUNTS.has(path)) this.counts.suspicious = true;
  }

  close(path: string): void {
    if (path !== DETAIL || this.detail === undefined) return;
    const { ttl, tokens } = this.detail;
    const { all, hour } = this.waiting ?? NOTHING;
    this.waiting = { all: all + tokens, hour: ttl === '1h' ? hour + tokens : hour };
    this.detail = undefined;
  }

  accept(): void {
    this.counts.accept();
    this.written = this.waiting ?? this.written;
    this.drop();
  }

  drop(): void {
    this.counts.drop();
    this.waiting = undefined;
    this.detail = undefined;
  }

  get value(): Usage {
    const written = this.counts.get(WRITTEN) ?? this.written.all;
    const hour = Math.min(this.written.hour, written);
    return safe({
      inputTokens: this.counts.get(INPUT) ?? 0,
      cacheReadTokens: this.counts.get(READ) ?? 0,
      cacheWrite5mTokens: written - hour,
      cacheWrite1hTokens: hour,
      outputTokens: this.counts.get(OUTPUT) ?? 0,
      reasoningTokens: 0,
      serverTools: {},
    });
  }
}
