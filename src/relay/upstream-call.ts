import { Inject, Injectable } from '@nestjs/common';
import { CredentialRefused, CredentialStore } from '../accounts/credential-store.ts';
import { ENV } from '../config/config.module.ts';
import type { Env } from '../config/env.ts';
import type { Call } from '../dialects/dialect.ts';
import { withModel } from '../dialects/model-edit.ts';
import { RelayError } from '../errors/relay-error.ts';
import { Scheduler } from '../scheduler/scheduler.ts';
import type { Credentials } from '../upstream/account.ts';
import { GivenBytes } from '../upstream/answer-bytes.ts';
import type { Cancellation } from '../upstream/cancellation.ts';
import { orCut } from '../upstream/or-cut.ts';
import { UpstreamClient } from '../upstream/upstream-client.ts';
import type { Envelope, UpstreamRequest, UpstreamStream, Verdict } from '../upstream/upstream.ts';
import { AnswerBody } from './answer-body.ts';
import type { Exchange } from './exchange.ts';
import { SecretMask } from './secret-mask.ts';
import { needsAttention } from './refusal.ts';
import type { Try } from './try.ts';

/** Status and headers of an answer. */
export type HeadListener = (status: number, headers: Readonly<Record<string, string>>) => void;

/** As much of an error body as is read to judge it. */
const JUDGED_BYTES = 64 * 1024;

/** An answer of the account that was asked; `verdict` undefined = a success. */
export interface SignedAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: AnswerBody;
  readonly verdict: Verdict | undefined;
  /** The account was parked for it, and nobody knew before. */
  readonly isNews: boolean;
}

/** Shapes, signs and sends one attempt. A refused credential is renewed once and the request replayed once. */
@Injectable()
export class UpstreamCall {
  constructor(
    private readonly client: UpstreamClient,
    private readonly credentials: CredentialStore,
    private readonly scheduler: Scheduler,
    @Inject(ENV) private readonly env: Env,
  ) {}

  /** @param heard is told every head that came, that of a refused credential too */
  async send(exchange: Exchange, one: Try, signal: Cancellation, heard: HeadListener): Promise<SignedAnswer> {
    signal.throwIfAborted();
    const shaped = this.shape(exchange, one);
    const request = shaped instanceof Promise ? await shaped : shaped;
    const held = this.current(one, signal);
    const credentials = held instanceof Promise ? await held : held;
    const first = await this.ask(one, request, credentials, signal, heard);
    if (first.verdict?.at !== 'credential') return first;

    first.body.destroy();
    const renewed = await this.renewed(one, signal, credentials);
    const refused = renewed ?? credentials;
    const second = renewed === undefined ? first : await this.ask(one, request, renewed, signal, heard);
    if (second.verdict?.at !== 'credential') return second;
    return { ...second, isNews: await this.park(one, refused, second.verdict.reason) };
  }

  private shape(exchange: Exchange, one: Try): UpstreamRequest | Promise<UpstreamRequest> {
    const { sent, account, upstream, model } = one;
    const made = upstream.envelope?.(sent.call, account, model);
    if (made === undefined) return this.shaped(exchange, one, ownEnvelope(sent.call, model));
    return made.then((envelope) => this.shaped(exchange, one, envelope));
  }

  private shaped(
    exchange: Exchange,
    { sent, account, upstream, model }: Try,
    envelope: Envelope,
  ): UpstreamRequest {
    noteEdits(exchange, sent.edits);
    noteEdits(exchange, envelope.edits);
    return {
      method: 'POST',
      url: upstream.address(sent.call, account, model),
      headers: Object.assign({}, envelope.headers, { 'content-type': 'application/json' }),
      body: envelope.body,
    };
  }

  private async ask(
    one: Try,
    request: UpstreamRequest,
    credentials: Credentials,
    signal: Cancellation,
    heard: HeadListener,
  ): Promise<SignedAnswer> {
    const { sent, upstream, anew } = one;
    const { call } = sent;
    const { clocks } = this.env;
    const headersMs = call.framing === 'json' ? clocks.jsonHeadersMs : clocks.headersMs;
    const signing = upstream.sign(request, credentials);
    // Credentials that are looked for elsewhere may take their time; a client that leaves does not wait for them.
    const own = signing instanceof Promise ? await orCut(signing, signal) : signing;
    const { method, url, body } = request;
    const signed = { method, url, headers: own, body };
    const { proxyUrl } = credentials;
    const answer = await this.client.send(signed, { signal, headersMs, proxyUrl, anew });
    const { status } = answer;
    const mask = new SecretMask(credentials, own);
    const headers = mask.headers(answer.headers);
    heard(status, headers);
    const come = { status, headers, body: answer.body };
    if (status >= 200 && status < 300) return this.opened(one, come, mask, undefined);

    const refused = new AnswerBody(answer.body, clocks.idleMs, mask);
    const { bytes } = await refused.peek(JUDGED_BYTES);
    const verdict = upstream.judge({ status, headers, body: bytes });
    if (upstream.decode === undefined) return { status, headers, body: refused, verdict, isNews: false };
    refused.destroy();
    const again = { status, headers, body: new GivenBytes(bytes) };
    return this.opened(one, again, new SecretMask(credentials, own), verdict);
  }

  /** The answer as its call's dialect has it, to be read. */
  private opened(
    { sent, upstream }: Try,
    stream: UpstreamStream,
    mask: SecretMask,
    verdict: Verdict | undefined,
  ): SignedAnswer {
    const { status, headers, body } = upstream.decode?.(sent.call, stream) ?? stream;
    const read = new AnswerBody(body, this.env.clocks.idleMs, mask);
    return { status, headers, body: read, verdict, isNews: false };
  }

  /** Credentials, or the end of the attempt: one that has expired and cannot be renewed parks its account. */
  private current(one: Try, signal: Cancellation): Credentials | Promise<Credentials> {
    const held = this.held(signal, () => this.credentials.current(one.account));
    if (held !== undefined && !(held instanceof Promise)) return held;
    return Promise.resolve(held).then((credentials) => credentials ?? this.expired(one));
  }

  private async expired(one: Try): Promise<never> {
    await this.park(one, { version: one.account.credentialsVersion }, 'expired');
    throw needsAttention();
  }

  /** Newer credentials than those that were refused; undefined: there are none. */
  private async renewed(
    { account }: Try,
    signal: Cancellation,
    refused: Credentials,
  ): Promise<Credentials | undefined> {
    return this.held(signal, () => this.credentials.renew(account, refused.version));
  }

  /** Undefined: only a person can mend it. @throws RelayError when it could not be had just now */
  private held(
    signal: Cancellation,
    take: () => Credentials | Promise<Credentials>,
  ): Credentials | undefined | Promise<Credentials | undefined> {
    const none = (error: unknown): undefined => {
      signal.throwIfAborted();
      if (error instanceof CredentialRefused) return undefined;
      throw new RelayError('account-fault', "The account's credential could not be renewed; try again", 5);
    };
    try {
      const taken = take();
      return taken instanceof Promise ? orCut(taken, signal).catch(none) : taken;
    } catch (error) {
      return none(error);
    }
  }

  private async park(
    { account }: Try,
    credentials: Pick<Credentials, 'version'>,
    evidence: string,
  ): Promise<boolean> {
    const parking = {
      accountId: account.id,
      modelFamily: null,
      reason: 'credential-refused',
      evidence,
      forMs: 'infinity',
      credentialsVersion: credentials.version,
    } as const;
    // Without the database nothing is parked, and the next call meets the same refusal.
    const cooled = await this.scheduler.rests.cool(parking).catch(() => undefined);
    return cooled?.became === 'cooling';
  }
}

function noteEdits(exchange: Exchange, edits: readonly string[]): void {
  for (const edit of edits) if (!exchange.edits.includes(edit)) exchange.edits.push(edit);
}

/** The call as it is, but for the model's name. */
function ownEnvelope(call: Call, model: string): Envelope {
  const mapped = model !== call.model;
  return {
    headers: call.headers,
    body: mapped && call.modelSpans.length > 0 ? withModel(call, model) : call.body,
    edits: mapped ? ['model'] : [],
  };
}
