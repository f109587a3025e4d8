import type { Socket } from 'node:net';
import { buildConnector } from 'undici';
import type { AddressPolicy } from './address-policy.ts';
import { checkedConnector, type DialerOptions, tlsOptions } from './dialer.ts';
import { checkBehindProxy, checkProxyAddress } from './egress-policy.ts';
import { httpConnect } from './http-connect.ts';
import { ProxyDialogue } from './proxy-dialogue.ts';
import type { EgressProxy } from './proxy-url.ts';
import { socksConnect } from './socks-connect.ts';
import { UpstreamFailure } from './upstream-failure.ts';

/**
 * Connections to upstreams through one egress proxy: connected to the proxy (its address checked) → the tunnel stands →
 * TLS with the upstream. One connect clock runs from the first look-up to the last of it. Whatever goes wrong ends the
 * connection; from here there is no other way to the upstream.
 */
export function tunnelConnector(
  proxy: EgressProxy,
  policy: AddressPolicy,
  options: DialerOptions,
): buildConnector.connector {
  const dial = checkedConnector(
    (ip, host, protocol) => checkProxyAddress(policy, ip, host, protocol),
    options,
  );
  const overTls = buildConnector(tlsOptions(options));

  async function open(target: buildConnector.Options): Promise<Socket> {
    const clock = AbortSignal.timeout(options.connectMs);
    const socket = await connectedTo(proxy, dial);
    const cut = (): void => void socket.destroy();
    clock.addEventListener('abort', cut, { once: true });
    let stands = false;
    try {
      clock.throwIfAborted();
      if (checkBehindProxy(policy, target, proxy, socket.remoteAddress) !== undefined) {
        throw new UpstreamFailure('forbidden-address', 'BEHIND_PROXY');
      }
      await handshake(proxy, target, socket);
      stands = true;
      return target.protocol === 'https:' ? await secured(overTls, target, socket) : socket;
    } catch (error) {
      socket.destroy();
      if (!clock.aborted) throw error;
      throw stands
        ? new UpstreamFailure('connect-timeout')
        : new UpstreamFailure('proxy-unreachable', 'PROXY_TIMEOUT');
    } finally {
      clock.removeEventListener('abort', cut);
    }
  }

  return (target, callback) => {
    open(target).then(
      (socket) => callback(null, socket),
      (error: unknown) => callback(UpstreamFailure.of(error), null),
    );
  };
}

async function connectedTo(proxy: EgressProxy, dial: buildConnector.connector): Promise<Socket> {
  const { hostname, port } = proxy;
  // A SOCKS proxy is spoken to without TLS, as an http one is.
  const protocol = proxy.protocol === 'https:' ? 'https:' : 'http:';
  try {
    return await connected(dial, { hostname, host: hostname, protocol, port: String(port) });
  } catch (error) {
    const { reason, code } = UpstreamFailure.of(error);
    throw reason === 'forbidden-address'
      ? new UpstreamFailure(reason, 'PROXY')
      : new UpstreamFailure('proxy-unreachable', code);
  }
}

async function handshake(
  proxy: EgressProxy,
  { hostname, protocol, port }: buildConnector.Options,
  socket: Socket,
): Promise<void> {
  const dialogue = new ProxyDialogue(socket);
  const number = port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port);
  const tunnel = proxy.protocol === 'socks5:' ? socksConnect : httpConnect;
  try {
    await tunnel(dialogue, hostname, number, proxy.signIn);
  } catch (error) {
    if (error instanceof UpstreamFailure) throw error;
    throw new UpstreamFailure('proxy-unreachable', UpstreamFailure.of(error).code);
  }
}

/** TLS with the upstream. A tunnel that closes meanwhile takes the TLS socket with it, which then says nothing. */
async function secured(
  overTls: buildConnector.connector,
  target: buildConnector.Options,
  httpSocket: Socket,
): Promise<Socket> {
  let onClose = (): void => undefined;
  const closed = new Promise<never>((_, reject) => {
    onClose = () => reject(new UpstreamFailure('reset'));
    httpSocket.once('close', onClose);
  });
  try {
    return await Promise.race([connected(overTls, { ...target, httpSocket }), closed]);
  } finally {
    httpSocket.off('close', onClose);
  }
}

function connected(connector: buildConnector.connector, target: buildConnector.Options): Promise<Socket> {
  return new Promise((resolve, reject) => {
    connector(target, (error, socket) => (error === null ? resolve(socket) : reject(error)));
  });
}
