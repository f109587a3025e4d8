import { type Carried, packToolId } from '../carried.ts';
import type { Signature } from '../neutral.ts';
import { MAX_FRAME_BYTES } from '../sides.ts';

/** A piece of a call's arguments; the first one names the call. */
export interface CallPiece {
  readonly begins?: { readonly id: string; readonly name: string };
  readonly json: string;
}

/**
 * Calls of an answer whose dialect has no place for seals: they travel in the calls' ids. A call's own seal comes right
 * after its first arguments, so a call is held back until the event after them.
 *
 * States: no call; a call is held, with its first arguments or without; a call has begun.
 */
export class SealedCalls {
  private held: { readonly id: string; readonly name: string; json: string } | undefined;
  private waiting: Carried[] = [];

  /** Travels with the next call. */
  carry(carried: Carried): void {
    this.waiting.push(carried);
  }

  begin(id: string, name: string): void {
    this.held = { id, name, json: '' };
  }

  delta(json: string): readonly CallPiece[] {
    if (this.held === undefined) return [{ json }];
    if (this.held.json !== '') return [...this.release([]), { json }];
    this.held.json = json;
    return [];
  }

  /** Too late once the id is told; no vendor seals a call that it streams. */
  seal(signature: Signature): readonly CallPiece[] {
    return this.release([{ kind: 'call', signature }]);
  }

  end(): readonly CallPiece[] {
    return this.release([]);
  }

  private release(seal: readonly Carried[]): readonly CallPiece[] {
    const { held, waiting } = this;
    if (held === undefined) return [];
    this.held = undefined;
    this.waiting = [];
    const begins = { id: packToolId(held.id, [...waiting, ...seal]), name: held.name };
    return [{ begins, json: held.json === '' ? '{}' : held.json }];
  }
}

/** The thought at hand, put together for who has to carry it. */
export class ThoughtText {
  private pieces: string[] = [];
  private size = 0;
  private signature: Signature | undefined;

  begin(): void {
    this.pieces = [];
    this.size = 0;
    this.signature = undefined;
  }

  /** @throws Error when it is larger than any vendor's */
  add(text: string): void {
    this.size += text.length;
    if (this.size > MAX_FRAME_BYTES) throw new Error('A part of the answer is too large to be translated');
    this.pieces.push(text);
  }

  seal(signature: Signature): void {
    this.signature = signature;
  }

  /** Undefined: nothing was thought. */
  end(): Carried | undefined {
    const { signature } = this;
    const text = this.pieces.join('');
    if (text === '' && signature === undefined) return undefined;
    return { kind: 'thinking', text, ...(signature && { signature }) };
  }
}
