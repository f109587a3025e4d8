import { NO_USAGE, type Usage } from './dialect.ts';
import { type JsonToken, type ScalarKind, tokenText } from './json-token.ts';
import { safe, TokenCounts } from './token-counts.ts';

const TOOL = 'server_tool_use.';
const TOOL_NAME = /^[a-z0-9_]{1,64}$/;
const WRITE_5M = 'cache_creation.ephemeral_5m_input_tokens';
const WRITE_1H = 'cache_creation.ephemeral_1h_input_tokens';
const THINKING = 'output_tokens_details.thinking_tokens';

/** The counts of Anthropic's `usage` object; {@link usagePaths} is where it may stand. */
const COUNTS = [
  'input_tokens',
  'output_tokens',
  'cache_read_input_tokens',
  'cache_creation_input_tokens',
  WRITE_5M,
  WRITE_1H,
  THINKING,
];
const TOOLS = `${TOOL}*`;
const ITERATION = 'iterations[]';

export function usagePaths(prefix: string): string[] {
  return [
    ...COUNTS.map((name) => `${prefix}${name}`),
    `${prefix}${TOOLS}`,
    `${prefix}iterations`,
    `${prefix}${ITERATION}`,
    `${prefix}${ITERATION}.type`,
    ...COUNTS.map((name) => `${prefix}${ITERATION}.${name}`),
  ];
}

/**
 * What Bedrock tells beside the last event of a stream, by the names of `usage` (AWS Bedrock user guide, "Anthropic Claude
 * Messages API"): like them it leaves the cache out of the input.
 */
const METRICS: Readonly<Record<string, string>> = {
  'amazon-bedrock-invocationMetrics.inputTokenCount': 'input_tokens',
  'amazon-bedrock-invocationMetrics.outputTokenCount': 'output_tokens',
  'amazon-bedrock-invocationMetrics.cacheReadInputTokenCount': 'cache_read_input_tokens',
  'amazon-bedrock-invocationMetrics.cacheWriteInputTokenCount': 'cache_creation_input_tokens',
};

export const METRIC_PATHS = Object.keys(METRICS);

type Counts = Readonly<Record<string, number>>;
type CountOf = (name: string) => number | undefined;

const NOTHING: Counts = {};

/**
 * Anthropic's usage: `input_tokens` leaves out both cache fields, `output_tokens` includes thinking, and the split of
 * the cache writes comes only at the start, so a later total keeps the hour's part and gives the rest to five minutes
 * (`Usage`, `MessageDeltaUsage` in @anthropic-ai/sdk 1.12).
 *
 * An entry of `iterations` with the type `compaction` is not included in the fields beside it and is added (docstring
 * of `BetaUsage.iterations`, same package); the other types are.
 */
export class AnthropicUsage {
  private readonly counts = new TokenCounts();
  /** Bedrock's; no other upstream tells any. */
  private metrics: TokenCounts | undefined;
  private iteration: { type: string; readonly counts: Record<string, number> } | undefined;
  private waiting: Record<string, number> | undefined;
  private compaction = NOTHING;
  /** What it all comes to; undefined once something more was accepted. */
  private summed: Usage | undefined;

  get reported(): boolean {
    return this.counts.reported || this.metrics?.reported === true;
  }

  get suspicious(): boolean {
    return this.counts.suspicious || this.metrics?.suspicious === true || this.contradicted;
  }

  /** Bedrock's own account of the call is another than the events'. Its input may be told with the cache or without. */
  private get contradicted(): boolean {
    const { metrics } = this;
    if (metrics === undefined) return false;
    const { inputTokens, cacheReadTokens, cacheWrite5mTokens, cacheWrite1hTokens, outputTokens } = this.value;
    const written = cacheWrite5mTokens + cacheWrite1hTokens;
    const differs = (name: string, ...known: readonly number[]): boolean => {
      const told = metrics.get(name);
      return told !== undefined && this.counts.get(name) !== undefined && !known.includes(told);
    };
    return (
      differs('input_tokens', inputTokens, inputTokens + cacheReadTokens + written) ||
      differs('output_tokens', outputTokens) ||
      differs('cache_read_input_tokens', cacheReadTokens) ||
      differs('cache_creation_input_tokens', written)
    );
  }

  /** One of {@link METRIC_PATHS}, whole; taken where `usage` says nothing of it. */
  metric(path: string, kind: ScalarKind, token: JsonToken): void {
    this.metrics ??= new TokenCounts();
    this.metrics.hear(METRICS[path] ?? path, kind, token);
  }

  acceptMetrics(): void {
    this.metrics?.accept();
    this.summed = undefined;
  }

  /** `path` without the prefix. */
  scalar(path: string, kind: ScalarKind, token: JsonToken, name: string): void {
    if (path.startsWith(ITERATION)) {
      const field = path.slice(ITERATION.length + 1);
      if (!this.iteration) return;
      if (field === 'type') this.iteration.type = tokenText(token);
      else this.iteration.counts[field] = this.counts.read(kind, token) ?? 0;
    } else if (path === TOOLS) {
      if (TOOL_NAME.test(name)) this.counts.hear(TOOL + name, kind, token);
    } else if (path !== 'iterations') {
      this.counts.hear(path, kind, token);
    }
  }

  open(path: string): void {
    if (path === 'iterations') this.waiting = {};
    else if (path === ITERATION) this.iteration = { type: '', counts: {} };
    else if (path !== TOOLS && !path.startsWith(ITERATION)) this.counts.suspicious = true;
  }

  close(path: string): void {
    if (path !== ITERATION || !this.iteration || !this.waiting) return;
    const { type, counts } = this.iteration;
    this.iteration = undefined;
    if (type !== 'compaction') return;
    for (const name of COUNTS) this.waiting[name] = (this.waiting[name] ?? 0) + (counts[name] ?? 0);
  }

  accept(): void {
    this.counts.accept();
    this.compaction = this.waiting ?? this.compaction;
    this.summed = undefined;
    this.drop();
  }

  drop(): void {
    this.counts.drop();
    this.metrics?.drop();
    this.iteration = undefined;
    this.waiting = undefined;
  }

  get value(): Usage {
    return (this.summed ??= this.sum());
  }

  private sum(): Usage {
    const reported = classes((name) => this.counts.get(name) ?? this.metrics?.get(name));
    const compaction = this.compaction === NOTHING ? NO_USAGE : classes((name) => this.compaction[name]);
    const output = reported.outputTokens + compaction.outputTokens;
    return safe({
      inputTokens: reported.inputTokens + compaction.inputTokens,
      cacheReadTokens: reported.cacheReadTokens + compaction.cacheReadTokens,
      cacheWrite5mTokens: reported.cacheWrite5mTokens + compaction.cacheWrite5mTokens,
      cacheWrite1hTokens: reported.cacheWrite1hTokens + compaction.cacheWrite1hTokens,
      outputTokens: output,
      reasoningTokens: Math.min(reported.reasoningTokens, output),
      serverTools: this.counts.under(TOOL),
    });
  }
}

function classes(count: CountOf): Omit<Usage, 'serverTools'> {
  const write5m = count(WRITE_5M) ?? 0;
  const write1h = count(WRITE_1H) ?? 0;
  const written = count('cache_creation_input_tokens') ?? write5m + write1h;
  const hour = Math.min(write1h, written);
  return {
    inputTokens: count('input_tokens') ?? 0,
    cacheReadTokens: count('cache_read_input_tokens') ?? 0,
    cacheWrite5mTokens: written - hour,
    cacheWrite1hTokens: hour,
    outputTokens: count('output_tokens') ?? 0,
    reasoningTokens: count(THINKING) ?? 0,
  };
}
