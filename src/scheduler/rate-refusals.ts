import type { AdmissionRequest, Decision } from './admission.ts';

/** A rate that is raised meanwhile is noticed this late; nobody is let in sooner than without it. */
const STANDS_MS = 250;
/** Of keys; beyond it nothing more is kept. */
const MOST_KEPT = 10_000;

type Asked = Pick<AdmissionRequest, 'keyId' | 'keyVersion' | 'lane'>;

interface Kept {
  readonly keyVersion: bigint;
  readonly standsUntil: number;
  readonly retryAt: number;
}

/**
 * Keys that were refused a moment ago for their requests a minute, or a team's. The stamp that refused them only moves
 * on, so until it is due the answer is known, and a key far above its limit takes no statements from the others.
 */
export class RateRefusals {
  private readonly kept = new Map<string, Kept>();

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** What this call would be told; undefined: it is to be asked for. */
  of({ keyId, keyVersion, lane }: Asked): Decision | undefined {
    if (this.kept.size === 0 || lane === 'count') return undefined;
    const kept = this.kept.get(keyId);
    if (kept === undefined) return undefined;
    const now = this.now();
    if (kept.standsUntil > now && kept.keyVersion === keyVersion)
      return { admitted: false, refusal: 'requests-rate', retryAfterMs: Math.ceil(kept.retryAt - now) };
    this.kept.delete(keyId);
    return undefined;
  }

  note({ keyId, keyVersion }: Asked, decision: Decision): void {
    if (decision.admitted || decision.refusal !== 'requests-rate') return;
    if (this.kept.size >= MOST_KEPT) this.tidy();
    if (this.kept.size >= MOST_KEPT) return;
    const now = this.now();
    const retryAt = now + (decision.retryAfterMs ?? 0);
    this.kept.set(keyId, { keyVersion, standsUntil: Math.min(retryAt, now + STANDS_MS), retryAt });
  }

  /** Of an outage: nothing of it was the database's word. */
  clear(): void {
    this.kept.clear();
  }

  private tidy(): void {
    const now = this.now();
    for (const [keyId, { standsUntil }] of this.kept) if (standsUntil <= now) this.kept.delete(keyId);
  }
}
