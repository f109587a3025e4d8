import type { TokenPair } from './credentials.ts';
import type { SimulatedRequest, SimulatedSocket } from './journal.ts';
import type { Plan } from './plan.ts';

/** The running simulator, and what a test may ask it. */
export interface Simulator {
  /** `http://host:port`, without a slash at the end. */
  readonly url: string;
  /** In the order of arrival, the oldest forgotten beyond the records kept. */
  readonly requests: readonly SimulatedRequest[];
  readonly sockets: readonly SimulatedSocket[];
  /** Generating requests open now, of one credential or of all. */
  inFlight(credential?: string): number;
  /** The most there were at once since `clear`. */
  maxInFlight(credential?: string): number;
  /** The last request with this marker or `request-id`. */
  find(id: string): SimulatedRequest | undefined;
  /** What was sent in answer to it (its first 64 KiB). */
  answered(id: string): Buffer | undefined;
  /** Sockets open now. */
  readonly openSockets: number;
  /** Requests that came on a socket after one of its requests had been cut: 0, or the client pools dead sockets. */
  readonly usedAfterCut: number;
  /** Does the fault to matching requests; call the answer to stop. */
  plan(plan: Plan): () => void;
  readonly oauth: {
    readonly refreshes: number;
    grant(pair?: Partial<TokenPair>): TokenPair;
    expire(accessToken: string): void;
  };
  /** From now on the key is answered as a wrong one. */
  revoke(credential: string): void;
  /** Forgets records, plans, caches, revocations and granted tokens. */
  clear(): void;
  close(): Promise<void>;
}
