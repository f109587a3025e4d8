import { createServer, request as send, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const HEALTH_EVERY_MS = 200;

export interface Balancer {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * What stands before replicas: asks each for its readiness five times a second, gives calls to the ready ones in turn,
 * and tries another one where a connection is refused, as balancers do; what was sent once is never sent again.
 */
export async function startBalancer(targets: () => readonly string[]): Promise<Balancer> {
  let ready: readonly string[] = [];
  let turn = 0;
  let asking = false;
  const ask = async (): Promise<void> => {
    if (asking) return;
    asking = true;
    const found = await Promise.all(
      targets().map(async (url) => {
        const answer = await fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(2_000) }).catch(
          () => undefined,
        );
        await answer?.arrayBuffer().catch(() => undefined);
        return answer?.ok === true ? url : '';
      }),
    );
    ready = found.filter((url) => url !== '');
    asking = false;
  };
  const clock = setInterval(() => void ask(), HEALTH_EVERY_MS);

  const forward = (incoming: IncomingMessage, body: Buffer, outgoing: ServerResponse, left: number): void => {
    const target = ready[(turn += 1) % ready.length];
    if (target === undefined) {
      outgoing.writeHead(503).end('no replica is ready');
      return;
    }
    const { method, headers } = incoming;
    const sent = send(target + (incoming.url ?? ''), { method, headers, agent: false }, (answer) => {
      // Of this connection, and not of the client's.
      const { connection: _, 'keep-alive': __, ...kept } = answer.headers;
      outgoing.writeHead(answer.statusCode ?? 502, kept);
      answer.on('error', () => outgoing.destroy());
      answer.pipe(outgoing);
    });
    sent.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' && left > 0) forward(incoming, body, outgoing, left - 1);
      else if (outgoing.headersSent) outgoing.destroy();
      else outgoing.writeHead(502).end(`balancer: ${error.message}`);
    });
    outgoing.once('close', () => {
      if (!outgoing.writableFinished) sent.destroy();
    });
    sent.end(body);
  };

  const server = createServer({ keepAliveTimeout: 60_000 }, (incoming, outgoing) => {
    const pieces: Buffer[] = [];
    incoming.on('data', (piece: Buffer) => pieces.push(piece));
    incoming.on('end', () => forward(incoming, Buffer.concat(pieces), outgoing, 3));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  await ask();
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      clearInterval(clock);
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
