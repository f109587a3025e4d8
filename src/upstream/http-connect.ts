import { isIP } from 'node:net';
import type { ProxyDialogue } from './proxy-dialogue.ts';
import type { EgressProxy } from './proxy-url.ts';
import { UpstreamFailure } from './upstream-failure.ts';

const MAX_HEAD_BYTES = 16 * 1024;
const STATUS_LINE = /^HTTP\/1\.[01] (\d{3})(?: [^\r\n]*)?\r\n/;

/**
 * Opens a tunnel by `CONNECT` (RFC 9110 section 9.3.6), signed in by Basic (RFC 7617, in UTF-8). Any 2xx opens it, and
 * has no body whatever its headers say.
 * @throws UpstreamFailure
 */
export async function httpConnect(
  dialogue: ProxyDialogue,
  host: string,
  port: number,
  signIn: EgressProxy['signIn'],
): Promise<void> {
  const authority = `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
  const lines = [`CONNECT ${authority} HTTP/1.1`, `Host: ${authority}`];
  if (signIn !== undefined) lines.push(`Proxy-Authorization: Basic ${basic(signIn)}`);
  dialogue.say(`${lines.join('\r\n')}\r\n\r\n`);
  const status = Number(STATUS_LINE.exec(await dialogue.readHead(MAX_HEAD_BYTES))?.[1]);
  if (Number.isNaN(status)) throw new UpstreamFailure('proxy-refused', 'PROXY_PROTOCOL');
  if (status === 407) throw new UpstreamFailure('proxy-denied', 'PROXY_407');
  if (status < 200 || status > 299) throw new UpstreamFailure('proxy-refused', `PROXY_${status}`);
  dialogue.silent();
}

function basic({ username, password }: NonNullable<EgressProxy['signIn']>): string {
  return Buffer.from(`${username}:${password}`).toString('base64');
}
