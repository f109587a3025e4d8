import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { anthropic } from './anthropic.ts';
import { PromptCache } from './anthropic-usage.ts';
import { bedrock } from './bedrock.ts';
import { control } from './control.ts';
import { Keyring } from './credentials.ts';
import { gemini } from './gemini.ts';
import { Journal, now, type OpenSocket } from './journal.ts';
import { oauth } from './oauth.ts';
import { openai } from './openai.ts';
import type { Simulator } from './oracle.ts';
import { Plans } from './plan.ts';
import { reception } from './reception.ts';
import { sts } from './sts.ts';

export type { SimulatedRequest, SimulatedSocket } from './journal.ts';
export type { Simulator } from './oracle.ts';
export type { Plan } from './plan.ts';
export type { Fault } from './faults.ts';

export interface SimulatorOptions {
  /** 0 or absent = any free port. */
  readonly port?: number;
  readonly host?: string;
  /** Ids and signatures derive from it; signatures of another seed are refused. */
  readonly seed?: string;
  /** Credentials accepted beside those with the simulator's own prefixes. */
  readonly credentials?: readonly string[];
  /** Records kept; default 20,000. */
  readonly records?: number;
}

/** Memory for the bodies kept in records. */
const BODY_MEMORY = 64 * 1024 * 1024;

export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const { host = '127.0.0.1', seed = 'sim' } = options;
  const journal = new Journal(options.records ?? 20_000, BODY_MEMORY);
  const keyring = new Keyring(options.credentials);
  const plans = new Plans();
  const cache = new PromptCache();
  const vendors = {
    anthropic: anthropic(cache),
    gemini,
    openai,
    bedrock: bedrock(keyring, cache),
    sts: sts(keyring),
    oauth: oauth(keyring),
  };
  const sockets = new Map<Socket, OpenSocket>();

  const server = createServer({ keepAliveTimeout: 75_000, requestTimeout: 0, maxHeaderSize: 256 * 1024 });
  server.headersTimeout = 0;
  server.on('connection', (socket: Socket) => {
    const seen = journal.openSocket();
    sockets.set(socket, seen);
    socket.once('close', () => {
      seen.closedAt = now();
      sockets.delete(socket);
    });
    socket.on('error', () => undefined);
  });

  const simulator: Simulator = {
    get url() {
      const { address, port } = server.address() as AddressInfo;
      return `http://${address.includes(':') ? `[${address}]` : address}:${port}`;
    },
    requests: journal.requests,
    sockets: journal.sockets,
    inFlight: (credential) => journal.inFlight(credential),
    maxInFlight: (credential) => journal.maxInFlight(credential),
    find: (id) => journal.requests.findLast((one) => one.marker === id || one.requestId === id),
    answered: (id) => simulator.find(id)?.answer,
    get openSockets() {
      return sockets.size;
    },
    get usedAfterCut() {
      return journal.sockets.reduce((sum, socket) => sum + socket.usedAfterCut, 0);
    },
    plan: (plan) => plans.add(plan),
    oauth: {
      get refreshes() {
        return keyring.refreshes;
      },
      grant: (pair) => keyring.grant(pair),
      expire: (token) => keyring.expire(token),
    },
    revoke: (credential) => keyring.revoke(credential),
    clear: () => {
      journal.clear();
      plans.clear();
      cache.clear();
      keyring.clear();
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };

  const receive = reception({
    journal,
    keyring,
    plans,
    seed,
    vendors,
    socketOf: (socket) => sockets.get(socket),
  });
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(`http://simulator${request.url?.startsWith('/') ? request.url : '/'}`);
    const handled = url.pathname.startsWith('/_simulator')
      ? control(simulator, plans, request, response, url)
      : receive(request, response, url);
    handled.catch((error: unknown) => {
      process.emitWarning(error instanceof Error ? error : String(error));
      response.destroy();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, host, resolve);
  });
  return simulator;
}
