import type { Refusal } from './admission.ts';

/**
 * Lines whose key, or a team above it, had no place when one of them was last asked: what accounts give back does not
 * help them. Forgotten as soon as a place of theirs may have come back, so that they are asked with the next one.
 */
export class KeylessLines {
  private readonly lines = new Map<string, 'key-full' | 'team-full'>();

  has(line: string): boolean {
    return this.lines.has(line);
  }

  /** @param refusal undefined: it was let in */
  note(line: string, refusal: Refusal | undefined): void {
    if (refusal === 'key-full' || refusal === 'team-full') this.lines.set(line, refusal);
    else this.lines.delete(line);
  }

  forget(line: string): void {
    this.lines.delete(line);
  }

  /** A team has a place again; nobody knows here which keys are below it. */
  forgetTeams(): void {
    for (const [line, refusal] of this.lines) if (refusal === 'team-full') this.lines.delete(line);
  }
}
