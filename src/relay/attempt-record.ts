import { BYTES_PER_TOKEN } from '../dialects/bytes-per-token.ts';
import { type AnswerReader, type Call, NO_USAGE, type Usage } from '../dialects/dialect.ts';
import type { Outcome, Settlement } from '../scheduler/settlement.ts';
import type { PriceBook } from '../usage/price-book.ts';
import type { Exchange } from './exchange.ts';
import type { Try } from './try.ts';

/** What is known of one attempt while it runs; becomes one settlement. */
export class AttemptRecord {
  /** No other attempt of the call follows. */
  final = true;
  outcome: Outcome = 'failed';
  status: number | null = null;
  reason: string | null = null;
  reader: AnswerReader | undefined;
  upstreamRequestId: string | null = null;
  readonly startedAt = performance.now();
  private firstByteAt: number | undefined;
  private usageNoted = false;
  private readonly call: Call;
  private readonly bodyBytes: number;

  constructor(
    private readonly exchange: Exchange,
    private readonly one: Try,
  ) {
    this.call = one.call;
    this.bodyBytes = one.call.body.length;
  }

  firstByte(): void {
    this.firstByteAt ??= performance.now();
  }

  /** The answer was read on though its client had left: what became of it after its head was nobody's any more. */
  drained(): void {
    if (this.outcome !== 'completed' && this.outcome !== 'partial') return;
    this.outcome = 'client-left';
    this.reason ??= 'client-left';
  }

  /** True the first time it is asked. */
  isFirstUsage(): boolean {
    const first = !this.usageNoted;
    this.usageNoted = true;
    return first;
  }

  /**
   * The usage to book. A whole answer is booked as reported; an answer cut short gets the larger of what was reported
   * and what passed; an answer that reported nothing is estimated from its bytes.
   */
  usage(): { readonly usage: Usage; readonly estimated: boolean } {
    const reader = this.reader;
    if (reader === undefined || this.call.lane === 'count') return { usage: NO_USAGE, estimated: false };
    const generated = Math.ceil(reader.generatedBytes / BYTES_PER_TOKEN);
    const reported = reader.usage;
    if (!reader.reported) {
      const seen = reader.complete || generated > 0;
      if (!seen) return { usage: NO_USAGE, estimated: false };
      const inputTokens = Math.ceil(this.bodyBytes / BYTES_PER_TOKEN);
      return { usage: { ...NO_USAGE, inputTokens, outputTokens: generated }, estimated: true };
    }
    if (reader.complete || generated <= reported.outputTokens) {
      return { usage: reported, estimated: !reader.complete };
    }
    return { usage: { ...reported, outputTokens: generated }, estimated: true };
  }

  settlement(prices: PriceBook): Settlement {
    const { usage, estimated } = this.usage();
    const { lease, account, model: upstreamModel, decision, known, session } = this.one;
    const hasPlace = this.call.lane === 'generate' && account.maxConcurrency !== 0;
    const free = this.call.lane === 'count' || usage === NO_USAGE;
    const price = free
      ? { costNanos: 0n, priceId: null, chargedNanos: null }
      : prices.cost(account.kind, upstreamModel, usage, lease.admittedAt);
    // The open row says so, too, but a crash of Postgres may have lost it.
    const chargedNanos = price.costNanos === null ? (price.chargedNanos ?? this.exchange.heldNanos) : null;
    return {
      requestId: lease.requestId,
      attempt: lease.attempt,
      final: this.final,
      epoch: lease.epoch,
      keyId: lease.keyId,
      accountId: lease.accountId,
      teams: lease.teams,
      lane: this.call.lane,
      door: this.exchange.door,
      kind: account.kind,
      model: this.call.model,
      upstreamModel,
      stream: this.call.framing !== 'json',
      admittedAt: lease.admittedAt,
      outcome: this.outcome,
      status: this.status,
      reason: this.reason,
      usage,
      estimated,
      suspicious: this.reader?.suspicious ?? false,
      costNanos: price.costNanos,
      priceId: price.priceId,
      chargedNanos,
      heldNanos: this.exchange.heldNanos,
      firstByteMs:
        this.firstByteAt === undefined ? null : Math.round(this.firstByteAt - this.exchange.receivedAt),
      durationMs: Math.round(performance.now() - this.exchange.receivedAt),
      upstreamRequestId: this.upstreamRequestId,
      clientRequestId: this.exchange.clientRequestId ?? null,
      decision,
      considered: known.considered.text,
      session: hasPlace ? session : undefined,
    };
  }
}
