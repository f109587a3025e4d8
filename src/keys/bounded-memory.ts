/**
 * Remembers at most `most` values, each for `forMs`. States of an entry: kept → (older than `forMs`) gone at the next
 * look, or (more than `most` were kept since it was last written) gone. `most` bounds the memory, `forMs` the staleness.
 */
export class BoundedMemory<Value> {
  private readonly entries = new Map<string, { readonly value: Value; readonly until: number }>();

  constructor(
    private readonly most: number,
    private readonly forMs: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  get(id: string): Value | undefined {
    const entry = this.entries.get(id);
    if (entry === undefined) return undefined;
    if (entry.until > this.now()) return entry.value;
    this.entries.delete(id);
    return undefined;
  }

  /** Whether what is kept has passed half of its time. */
  isHalfOver(id: string): boolean {
    const entry = this.entries.get(id);
    return entry !== undefined && entry.until - this.now() < this.forMs / 2;
  }

  set(id: string, value: Value): void {
    this.entries.delete(id);
    this.entries.set(id, { value, until: this.now() + this.forMs });
    if (this.entries.size > this.most) {
      const [oldest] = this.entries.keys();
      if (oldest !== undefined) this.entries.delete(oldest);
    }
  }

  /** Forgets what `concerns` says yes to. */
  forget(concerns: (value: Value) => boolean): void {
    for (const [id, { value }] of this.entries) if (concerns(value)) this.entries.delete(id);
  }

  clear(): void {
    this.entries.clear();
  }
}
