/**
 * How many of a line are let in within a time, counted in windows of that length: those of the window before and of the
 * one that is running. That is never less than in the last such time, and at most those of two.
 */
export class Pace {
  private begun = performance.now();
  private before: number | undefined;
  private running = 0;

  constructor(private readonly windowMs: number) {}

  letIn(): void {
    this.turn();
    this.running += 1;
  }

  /** Undefined until one window is over: too little is known. */
  lately(): number | undefined {
    this.turn();
    return this.before === undefined ? undefined : this.before + this.running;
  }

  private turn(): void {
    const windows = Math.floor((performance.now() - this.begun) / this.windowMs);
    if (windows < 1) return;
    this.before = windows === 1 ? this.running : 0;
    this.running = 0;
    this.begun += windows * this.windowMs;
  }
}
