import { HttpService } from '@nestjs/axios';
import { Injectable } from '@nestjs/common';
import type { AxiosResponse } from 'axios';
import { firstValueFrom } from 'rxjs';
import type { Dispatcher } from 'undici';
import { answerHeaders } from './answer-headers.ts';
import type { AnswerBytes } from './answer-bytes.ts';
import { by } from './axios-adapter.ts';
import type { Cancellation } from './cancellation.ts';
import { Egress } from './egress.ts';
import { type SentBody, sentBody } from './request-body.ts';
import { UpstreamFailure } from './upstream-failure.ts';
import type { UpstreamRequest, UpstreamStream } from './upstream.ts';

export interface SendOptions {
  /** Cancels the request while it is pending and cuts the stream once it is open. */
  readonly signal: AbortSignal | Cancellation;
  /** From now to the answer's head, connecting and sending included. */
  readonly headersMs: number;
  /** The account's egress proxy; undefined = straight to the upstream. Never a way around: no proxy, no request. */
  readonly proxyUrl: string | undefined;
  /** On a connection of its own, which nothing was sent on before. */
  readonly anew?: boolean | undefined;
}

/** Header names that are decided here, by the connection or by the body, and never by a caller. */
const OWN = new Set([
  'accept-encoding',
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Sends one request and gives the answer as an open stream, byte for byte. Retries nothing, follows nothing. */
@Injectable()
export class UpstreamClient {
  constructor(
    private readonly http: HttpService,
    private readonly egress: Egress,
  ) {}

  /** @throws UpstreamFailure when no answer's head came */
  async send(request: UpstreamRequest, options: SendOptions): Promise<UpstreamStream> {
    const { signal } = options;
    if (signal.aborted) throw new UpstreamFailure('aborted');
    try {
      const { status, headers, data } = await this.begin(request, options);
      return { status, headers: answerHeaders(headers as Record<string, string | string[]>), body: data };
    } catch (error) {
      throw UpstreamFailure.of(error, signal);
    }
  }

  private async begin(
    request: UpstreamRequest,
    { signal, headersMs, proxyUrl, anew }: SendOptions,
  ): Promise<AxiosResponse<AnswerBytes>> {
    const body = request.body === undefined ? undefined : sentBody(request.body);
    const send = (dispatcher: Dispatcher): Promise<AxiosResponse<AnswerBytes>> =>
      firstValueFrom(
        this.http.request<AnswerBytes>({
          method: request.method,
          baseURL: request.url.origin,
          url: request.url.pathname + request.url.search,
          headers: headersOf(request, body),
          data: body,
          responseType: 'stream',
          signal,
          timeout: headersMs,
          ...by(dispatcher),
        }),
      );
    return anew === true ? this.egress.anew(proxyUrl, send) : send(this.egress.through(proxyUrl));
  }
}

function headersOf(request: UpstreamRequest, body: SentBody | undefined): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const name in request.headers) {
    if (!OWN.has(name)) headers[name] = request.headers[name]!;
  }
  // Bytes pass as they come, so they must come readable: the meter reads them, and a bomb cannot unfold.
  headers['accept-encoding'] = 'identity';
  if (body !== undefined) headers['content-length'] = String(body.byteLength);
  return headers;
}
