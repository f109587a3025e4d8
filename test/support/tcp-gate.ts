import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/**
 * A way to a server that can be barred, on one port for as long as it lives. States: open → shut (connections are cut
 * and refused) or swallowing (what comes is taken and goes nowhere, as behind a dead router) → open.
 */
export class TcpGate {
  private server: Server | undefined;
  private swallowing = false;
  private readonly sockets = new Set<Socket>();
  private listeningOn = 0;

  /** @param target where to, asked for each connection: a server that was started again may stand elsewhere */
  constructor(private readonly target: () => { readonly host: string; readonly port: number }) {}

  get port(): number {
    return this.listeningOn;
  }

  async open(): Promise<void> {
    this.swallowing = false;
    // What was swallowed cannot be mended: those connections are dead.
    this.cut();
    if (this.server !== undefined) return;
    this.server = createServer((near) => this.join(near));
    this.server.listen(this.listeningOn, '127.0.0.1');
    await once(this.server, 'listening');
    this.listeningOn = (this.server.address() as AddressInfo).port;
  }

  /** From now on: connection reset, connection refused. */
  async shut(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    const closed = server === undefined ? undefined : once(server, 'close');
    server?.close();
    this.cut();
    await closed;
  }

  /** From now on nothing comes back, and nobody is told. */
  swallow(): void {
    this.swallowing = true;
    for (const socket of this.sockets) socket.unpipe();
  }

  private join(near: Socket): void {
    this.keep(near);
    if (this.swallowing) {
      near.resume();
      return;
    }
    const far = connect(this.target());
    this.keep(far);
    near.pipe(far).pipe(near);
    near.once('close', () => far.destroy());
    far.once('close', () => near.destroy());
  }

  private keep(socket: Socket): void {
    this.sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.once('close', () => this.sockets.delete(socket));
  }

  private cut(): void {
    for (const socket of this.sockets) socket.resetAndDestroy();
  }
}
