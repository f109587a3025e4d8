import type { AnswerFilter } from './native-call.ts';

/** Larger than any chunk of usage alone; a frame that is longer is not one and passes as it comes. */
const MAX_HELD_BYTES = 16 * 1024;

const LF = 0x0a;
const CR = 0x0d;
const EMPTY_CHOICES = /"choices"\s*:\s*\[\s*\]/;

/**
 * Keeps from a client the chunk of usage that only the relay asked for: `choices` empty and `usage` there (API
 * reference, "Chat completion chunk object"). Every other frame passes with the bytes it came with.
 *
 * States: between frames; in a frame, held until its blank line; in a frame too long to hold, passing as it comes.
 * After a frame that ended with a CR, a LF that follows goes where the frame went.
 */
export class UsageFilter implements AnswerFilter {
  private held: Uint8Array[] = [];
  private heldBytes = 0;
  private passing = false;
  /** The line at hand has no byte yet. */
  private blank = true;
  private lastByte = 0;
  /** Of the frame that ended last: was it hidden, and may its LF still come? */
  private hidden = false;
  private tail = false;

  push(bytes: Uint8Array): Uint8Array | undefined {
    const told: Uint8Array[] = [];
    let from = 0;
    for (let at = 0; at < bytes.length; at += 1) {
      const byte = bytes[at]!;
      if (this.tail && byte === LF) {
        if (!this.hidden) told.push(bytes.subarray(at, at + 1));
        from = at + 1;
        this.tail = false;
        this.lastByte = LF;
        continue;
      }
      this.tail = false;
      if (this.ends(byte)) {
        this.close(bytes.subarray(from, at + 1), told);
        from = at + 1;
        this.tail = byte === CR;
      }
      this.lastByte = byte;
    }
    if (from < bytes.length) this.keep(bytes.subarray(from), told);
    return joined(told, bytes);
  }

  finish(): Uint8Array | undefined {
    const told: Uint8Array[] = [];
    this.close(new Uint8Array(0), told);
    return joined(told);
  }

  /** Does this byte end a blank line? The LF of a CR LF ends no line of its own. */
  private ends(byte: number): boolean {
    if (byte === LF && this.lastByte === CR) return false;
    if (byte !== LF && byte !== CR) {
      this.blank = false;
      return false;
    }
    const over = this.blank;
    this.blank = true;
    return over;
  }

  private close(last: Uint8Array, told: Uint8Array[]): void {
    this.hidden = !this.passing && isUsageAlone([...this.held, last]);
    if (!this.hidden) told.push(...this.held, last);
    this.held = [];
    this.heldBytes = 0;
    this.passing = false;
  }

  private keep(bytes: Uint8Array, told: Uint8Array[]): void {
    this.held.push(bytes);
    this.heldBytes += bytes.length;
    if (!this.passing && this.heldBytes <= MAX_HELD_BYTES) return;
    told.push(...this.held);
    this.held = [];
    this.passing = true;
  }
}

function isUsageAlone(pieces: readonly Uint8Array[]): boolean {
  const frame = Buffer.concat(pieces).toString('utf8');
  if (!EMPTY_CHOICES.test(frame)) return false;
  const data = frame
    .replace(/^\ufeff/, '')
    .split(/\r\n|\r|\n/)
    .flatMap((line) => /^data: ?(.*)$/.exec(line)?.[1] ?? [])
    .join('\n');
  try {
    const chunk = JSON.parse(data) as { readonly choices?: unknown; readonly usage?: unknown };
    const empty = Array.isArray(chunk.choices) && chunk.choices.length === 0;
    return empty && typeof chunk.usage === 'object' && chunk.usage !== null;
  } catch {
    return false;
  }
}

/** @param whole what came: given back as it is when all of it and nothing else is told */
function joined(told: readonly Uint8Array[], whole?: Uint8Array): Uint8Array | undefined {
  const parts = told.filter(({ length }) => length > 0);
  const size = parts.reduce((sum, { length }) => sum + length, 0);
  if (size === 0) return undefined;
  const first = parts[0]!;
  if (whole !== undefined && size === whole.length && first.buffer === whole.buffer) {
    if (first.byteOffset === whole.byteOffset) return whole;
  }
  return parts.length === 1 ? first : Buffer.concat(parts, size);
}
