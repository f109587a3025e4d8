import { Readable } from 'node:stream';
import type { UpstreamClient } from '../upstream/upstream-client.ts';

/** A request as AWS' clients make it (@smithy/types, `HttpRequest`). */
interface AwsRequest {
  readonly method: string;
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
  readonly query?: Readonly<Record<string, string | readonly string[] | null>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

interface AwsResponse {
  readonly statusCode: number;
  readonly headers: Record<string, string>;
  readonly body: Readable;
}

/** What AWS' clients take for `requestHandler`. */
export interface AwsRequestHandler {
  readonly metadata: { readonly handlerProtocol: string };
  handle(request: AwsRequest): Promise<{ readonly response: AwsResponse }>;
  /** AWS' code looks for these on its own handlers. */
  updateHttpClientConfig(): void;
  httpHandlerConfigs(): Record<string, never>;
}

/**
 * Sends what AWS' clients ask (STS, SSO) by the relay's own client: the same address policy, the account's own egress
 * proxy, and no way around either.
 */
export function handlerOf(
  client: UpstreamClient,
  timeoutMs: number,
  proxyUrl: string | undefined,
): AwsRequestHandler {
  return {
    metadata: { handlerProtocol: 'http/1.1' },
    updateHttpClientConfig: () => undefined,
    httpHandlerConfigs: () => ({}),
    async handle(request) {
      const answer = await client.send(
        {
          method: request.method === 'GET' ? 'GET' : 'POST',
          url: urlOf(request),
          headers: Object.fromEntries(
            Object.entries(request.headers).map(([name, value]) => [name.toLowerCase(), value]),
          ),
          body: bodyOf(request.body),
        },
        { signal: AbortSignal.timeout(timeoutMs), headersMs: timeoutMs, proxyUrl },
      );
      const { status, headers, body } = answer;
      const stream = Readable.from(body, { objectMode: false }).once('close', () => body.destroy());
      return { response: { statusCode: status, headers: { ...headers }, body: stream } };
    },
  };
}

function urlOf({ protocol, hostname, port, path, query = {} }: AwsRequest): URL {
  const url = new URL(`${protocol}//${hostname}${port === undefined ? '' : `:${port}`}`);
  url.pathname = path;
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? (value as string[]) : [value as string | null]) {
      url.searchParams.append(name, one ?? '');
    }
  }
  return url;
}

function bodyOf(body: unknown): Buffer | undefined {
  if (body === undefined || body === null) return undefined;
  if (typeof body === 'string') return Buffer.from(body);
  if (body instanceof Uint8Array) return Buffer.from(body);
  throw new Error('The body of an AWS request is neither text nor bytes');
}
