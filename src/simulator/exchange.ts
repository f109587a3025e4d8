import type { IncomingHttpHeaders } from 'node:http';
import type { Fault } from './faults.ts';
import type { Reply } from './reply.ts';

/** One request as a vendor sees it, its body read whole. */
export interface Exchange {
  readonly method: string;
  /** Path and query as on the wire. */
  readonly url: string;
  /** Decoded once, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** The body as JSON; undefined when it is none. */
  readonly json: unknown;
  readonly digest: string;
  readonly credential: Credential;
  readonly fault: Fault;
  readonly requestId: string;
  readonly seed: string;
}

/** What identifies the caller, and why it is refused if it is. */
export interface Credential {
  readonly value: string | undefined;
  /** The header or query parameter it stood in. */
  readonly where: string | undefined;
  readonly refusal: string | undefined;
  readonly oauth: boolean;
}

/** What the path and the body tell before anything is answered. */
export interface Operation {
  /** `messages`, `count_tokens`, `generateContent` … */
  readonly name: string;
  readonly model: string | undefined;
  /** It generates, so that it counts towards what is in flight. */
  readonly counted: boolean;
}

/** A wire format: how to read a request's credential, operation and prompt, and how to answer it. */
export interface Vendor {
  readonly name: string;
  operation(path: string, json: unknown): Operation;
  /** The last user message's text, where directives stand. */
  lastText(json: unknown): string;
  answer(exchange: Exchange): Reply;
  /** An error answer as the fault describes it. */
  refuse(exchange: Exchange, fault: Fault): Reply;
}

/** A request that the vendor refuses by itself; `reason` picks among the vendor's messages for the status. */
export class Refusal extends Error {
  readonly status: number;
  readonly type: string | undefined;

  constructor(status: number, message: string, type?: string) {
    super(message);
    this.status = status;
    this.type = type;
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The value when it is a string, else ''. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
