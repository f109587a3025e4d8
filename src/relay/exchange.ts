import type { Request, Response } from 'express';
import { contextOf } from '../access/request-context.ts';
import type { Dialect, Lane } from '../dialects/dialect.ts';
import type { Caller } from '../keys/caller.ts';
import type { Refusal } from '../scheduler/admission.ts';
import { Flow } from './flow.ts';

/** One client request on a relay route and what is told about it in the answer's headers. */
export class Exchange {
  readonly request: Request;
  readonly response: Response;
  readonly dialect: Dialect;
  readonly door: string;
  readonly caller: Caller;
  /** The ledger's id, uuidv7. */
  readonly requestId: string;
  readonly clientRequestId: string | undefined;
  /** `performance.now()` when the request's head was read. */
  readonly receivedAt: number;
  readonly flow = new Flow();
  /** Known once the call was read. */
  lane: Lane = 'generate';
  /** Lets the request body go, once: after the answer's head no attempt can need it again. */
  forgetBody: () => void = nothingToForget;
  /** Attempts begun so far. */
  attempts = 0;
  /** What its admission holds of its key and teams, in nano-dollars; null: nothing is held, or it is not admitted. */
  heldNanos: bigint | null = null;
  /** How long it stood in line for a place so far, in milliseconds. */
  waitedMs = 0;
  /** What it waited for when it last did. */
  waitedFor: Refusal | undefined;
  /** The permitted edits made so far, by the names of the contract. */
  readonly edits: string[] = [];

  constructor(request: Request, response: Response, dialect: Dialect, door: string, caller: Caller) {
    const context = contextOf(request);
    this.request = request;
    this.response = response;
    this.dialect = dialect;
    this.door = door;
    this.caller = caller;
    this.requestId = context.requestId;
    this.clientRequestId = context.clientRequestId;
    this.receivedAt = context.receivedAt;
  }
}

export function nothingToForget(): void {}
