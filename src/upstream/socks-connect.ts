import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import type { ProxyDialogue } from './proxy-dialogue.ts';
import type { EgressProxy } from './proxy-url.ts';
import { UpstreamFailure } from './upstream-failure.ts';

const VERSION = 5;
const NO_SIGN_IN = 0;
const USER_AND_PASSWORD = 2;
const CONNECT = 1;
const BY_IPV4 = 1;
const BY_NAME = 3;
const BY_IPV6 = 4;
const MOST_NAME_BYTES = 255;

/**
 * Opens a tunnel by SOCKS 5 (RFC 1928; user and password by RFC 1929). Only the one way in that the URL names is
 * offered: a proxy that knows its users by their sign-in must not take an account for nobody. Names are the proxy's to
 * resolve.
 * @throws UpstreamFailure
 */
export async function socksConnect(
  dialogue: ProxyDialogue,
  host: string,
  port: number,
  signIn: EgressProxy['signIn'],
): Promise<void> {
  const method = signIn === undefined ? NO_SIGN_IN : USER_AND_PASSWORD;
  dialogue.say(Buffer.of(VERSION, 1, method));
  const [version, chosen] = await dialogue.read(2);
  if (version !== VERSION) throw new UpstreamFailure('proxy-refused', 'PROXY_PROTOCOL');
  if (chosen !== method) throw new UpstreamFailure('proxy-denied', 'SOCKS_METHOD');
  if (signIn !== undefined) await enter(dialogue, signIn);
  dialogue.say(Buffer.concat([Buffer.of(VERSION, CONNECT, 0), destination(host), portBytes(port)]));
  await answer(dialogue);
  dialogue.silent();
}

async function enter(dialogue: ProxyDialogue, signIn: NonNullable<EgressProxy['signIn']>): Promise<void> {
  const fields = [signIn.username, signIn.password].flatMap((text) => counted(Buffer.from(text)));
  dialogue.say(Buffer.concat([Buffer.of(1), ...fields]));
  const [, status] = await dialogue.read(2);
  if (status !== 0) throw new UpstreamFailure('proxy-denied', 'SOCKS_SIGN_IN');
}

async function answer(dialogue: ProxyDialogue): Promise<void> {
  const [version, reply, , kind] = await dialogue.read(4);
  if (version !== VERSION) throw new UpstreamFailure('proxy-refused', 'PROXY_PROTOCOL');
  if (reply !== 0) throw new UpstreamFailure('proxy-refused', `SOCKS_REPLY_${reply}`);
  // The address that the proxy speaks from: of no use here, but it has to be read.
  if (kind === BY_IPV4) await dialogue.read(4 + 2);
  else if (kind === BY_IPV6) await dialogue.read(16 + 2);
  else if (kind === BY_NAME) await dialogue.read(((await dialogue.read(1))[0] ?? 0) + 2);
  else throw new UpstreamFailure('proxy-refused', 'PROXY_PROTOCOL');
}

function destination(host: string): Buffer {
  if (isIP(host) !== 0) {
    const bytes = Buffer.from(ipaddr.parse(host).toByteArray());
    return Buffer.concat([Buffer.of(bytes.length === 4 ? BY_IPV4 : BY_IPV6), bytes]);
  }
  const name = Buffer.from(host);
  if (name.length > MOST_NAME_BYTES) throw new UpstreamFailure('dns');
  return Buffer.concat([Buffer.of(BY_NAME), ...counted(name)]);
}

function counted(bytes: Buffer): readonly [Buffer, Buffer] {
  return [Buffer.of(bytes.length), bytes];
}

function portBytes(port: number): Buffer {
  return Buffer.of(port >> 8, port & 0xff);
}
