import { once } from 'node:events';
import {
  type AddressInfo,
  connect,
  createServer as createTcpServer,
  type Server,
  type Socket,
} from 'node:net';
import { createServer as createTlsServer } from 'node:tls';

/** What a proxy does instead of opening the tunnel, once it has been asked for one. */
export type ProxyFault =
  | 'hang'
  | 'close'
  | 'refuse'
  | 'not-a-proxy'
  /** Opens it, and speaks in the upstream's place. */
  | 'opened-then-garbage'
  /** Opens it, and says more in the same breath. */
  | 'opened-with-garbage';

export interface ProxyOptions {
  readonly kind: 'http' | 'https' | 'socks5';
  /** Who may use it; nobody is asked when absent. */
  readonly user?: string;
  readonly password?: string;
  /** For `https`. */
  readonly certificate?: { readonly key: string; readonly cert: string };
  readonly fault?: ProxyFault;
  /** SOCKS: how the proxy's own address is told at the end. */
  readonly bound?: 'ipv4' | 'ipv6' | 'name';
}

export interface Tunnel {
  /** As the client named it: `host:port`. */
  readonly target: string;
  readonly user: string | undefined;
  open: boolean;
}

const GARBAGE = Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\ngarbage');

/**
 * A proxy written by hand, byte for byte by RFC 9110 section 9.3.6 and RFC 7617, or RFC 1928 and RFC 1929. Every host
 * is on this machine.
 */
export class TestProxy {
  /** Tunnels that were asked for and granted, in their order. */
  readonly tunnels: Tunnel[] = [];
  /** Connections to the proxy, whatever became of them. */
  connections = 0;
  /** Sign-ins that were refused: what was offered. */
  readonly refused: string[] = [];
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    private readonly options: ProxyOptions,
  ) {
    server.on(options.kind === 'https' ? 'secureConnection' : 'connection', (socket: Socket) => {
      this.connections += 1;
      this.keep(socket);
      void (options.kind === 'socks5' ? this.serveSocks(socket) : this.serveHttp(socket)).catch(() =>
        socket.destroy(),
      );
    });
    server.on('connection', (socket: Socket) => this.keep(socket));
  }

  static async start(options: ProxyOptions): Promise<TestProxy> {
    const server = options.kind === 'https' ? createTlsServer({ ...options.certificate }) : createTcpServer();
    server.on('tlsClientError', () => undefined);
    const proxy = new TestProxy(server, options);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get openTunnels(): number {
    return this.tunnels.filter(({ open }) => open).length;
  }

  /** As an account has it, signed in as the proxy wants it unless told otherwise. */
  url(signIn: { user?: string; password?: string; host?: string } = {}): string {
    const { user = this.options.user, password = this.options.password, host = '127.0.0.1' } = signIn;
    const named =
      user === undefined ? '' : `${encodeURIComponent(user)}:${encodeURIComponent(password ?? '')}@`;
    return `${this.options.kind}://${named}${host}:${this.port}`;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    if (!this.server.listening) return;
    this.server.close();
    await once(this.server, 'close');
  }

  private keep(socket: Socket): void {
    this.sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => this.sockets.delete(socket));
  }

  private async serveHttp(socket: Socket): Promise<void> {
    const reader = new ByteReader(socket);
    const head = await reader.until('\r\n\r\n');
    const [, target] = /^CONNECT (\S+) HTTP\/1\.1\r\n/.exec(head) ?? [];
    if (target === undefined) return void socket.end('HTTP/1.1 405 Method Not Allowed\r\n\r\n');
    const [, given = ''] = /\r\nproxy-authorization: Basic (\S+)\r\n/i.exec(head) ?? [];
    const signedIn = Buffer.from(given, 'base64').toString();
    const { user, password = '', fault } = this.options;
    if (user !== undefined && signedIn !== `${user}:${password}`) {
      this.refused.push(signedIn);
      const body = `You are not ${user} with ${password}: ${signedIn}`;
      return void socket.end(
        `HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic realm="x"\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      );
    }
    const opened = 'HTTP/1.1 200 Connection established\r\nx-proxy: hand-made\r\n\r\n';
    if (fault === 'refuse') return void socket.end('HTTP/1.1 503 No\r\ncontent-length: 2\r\n\r\nno');
    if (fault === 'not-a-proxy') return void socket.end('SSH-2.0-OpenSSH_9.6\r\n\r\n');
    await this.grant(socket, reader, target, user === undefined ? undefined : signedIn.split(':')[0], () =>
      Buffer.from(opened),
    );
  }

  private async serveSocks(socket: Socket): Promise<void> {
    const reader = new ByteReader(socket);
    const { user, password = '', fault, bound = 'ipv4' } = this.options;
    const [, count = 0] = await reader.take(2);
    const methods = await reader.take(count);
    if (fault === 'not-a-proxy') return void socket.end('SSH-2.0-OpenSSH_9.6\r\n\r\n');
    const wanted = user === undefined ? 0 : 2;
    if (!methods.includes(wanted)) return void socket.end(Buffer.of(5, 0xff));
    socket.write(Buffer.of(5, wanted));
    if (user !== undefined) {
      const [, userLength = 0] = await reader.take(2);
      const name = (await reader.take(userLength)).toString();
      const secret = (await reader.take((await reader.take(1))[0] ?? 0)).toString();
      if (name !== user || secret !== password) {
        this.refused.push(`${name}:${secret}`);
        return void socket.end(Buffer.of(1, 1));
      }
      socket.write(Buffer.of(1, 0));
    }
    const [, command, , kind] = await reader.take(4);
    if (command !== 1) return void socket.end(Buffer.of(5, 7, 0, 1, 0, 0, 0, 0, 0, 0));
    const host = await this.hostOf(reader, kind);
    const port = (await reader.take(2)).readUInt16BE();
    if (fault === 'refuse') return void socket.end(Buffer.of(5, 5, 0, 1, 0, 0, 0, 0, 0, 0));
    const from = {
      ipv4: Buffer.of(1, 127, 0, 0, 1),
      ipv6: Buffer.concat([Buffer.of(4), Buffer.alloc(16)]),
      name: Buffer.concat([Buffer.of(3, 9), Buffer.from('localhost')]),
    }[bound];
    await this.grant(socket, reader, `${host}:${port}`, user, () =>
      Buffer.concat([Buffer.of(5, 0, 0), from, Buffer.of(0, 0)]),
    );
  }

  private async hostOf(reader: ByteReader, kind: number | undefined): Promise<string> {
    if (kind === 1) return (await reader.take(4)).join('.');
    if (kind === 3) return (await reader.take((await reader.take(1))[0] ?? 0)).toString();
    const groups = (await reader.take(16)).toString('hex').match(/.{4}/g) ?? [];
    return `[${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}]`;
  }

  private async grant(
    socket: Socket,
    reader: ByteReader,
    target: string,
    user: string | undefined,
    opened: () => Buffer,
  ): Promise<void> {
    const { fault } = this.options;
    if (fault === 'hang') return;
    if (fault === 'close') return void socket.end();
    const tunnel: Tunnel = { target, user, open: true };
    this.tunnels.push(tunnel);
    socket.on('close', () => (tunnel.open = false));
    if (fault === 'opened-with-garbage') return void socket.write(Buffer.concat([opened(), GARBAGE]));
    if (fault === 'opened-then-garbage') {
      socket.write(opened());
      reader.release().once('data', () => socket.end(GARBAGE));
      return;
    }
    const upstream = connect(Number(target.split(':').at(-1)), '127.0.0.1');
    this.keep(upstream);
    await once(upstream, 'connect');
    // In two pieces, as networks do.
    const bytes = opened();
    socket.write(bytes.subarray(0, 5));
    await new Promise((resolve) => setImmediate(resolve));
    socket.write(bytes.subarray(5));
    reader.release().pipe(upstream).pipe(socket);
    socket.on('close', () => upstream.destroy());
    upstream.on('close', () => socket.destroy());
  }
}

/** Takes exact counts of bytes off a socket. */
class ByteReader {
  constructor(private readonly socket: Socket) {}

  async take(count: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for (let missing = count; missing > 0; missing -= pieces.at(-1)?.length ?? 0) {
      while (this.socket.readableLength === 0) await once(this.socket, 'readable');
      pieces.push(this.socket.read(Math.min(missing, this.socket.readableLength)) as Buffer);
    }
    return Buffer.concat(pieces);
  }

  async until(end: string): Promise<string> {
    let text = '';
    while (!text.endsWith(end)) text += (await this.take(1)).toString('latin1');
    return text;
  }

  release(): Socket {
    return this.socket;
  }
}
