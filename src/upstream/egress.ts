import type { Agent, Dispatcher } from 'undici';
import type { AddressPolicy } from './address-policy.ts';
import { agentOver, createDialer, type DialerOptions } from './dialer.ts';
import { readProxyUrl } from './proxy-url.ts';
import { tunnelConnector } from './tunnel.ts';
import { UpstreamFailure } from './upstream-failure.ts';

/** More proxies than this are used in turn: the one not used for longest lets its connections end. */
const MOST_PROXIES = 1_000;

/**
 * The ways out: straight, or through an account's proxy. Each proxy, with its user and password, has connections of its
 * own that no other request can be sent on. No environment variable has a say.
 *
 * State: by proxy URL, the least recently used first; a way that is taken out ends with its last request.
 */
export class Egress {
  private readonly straight: Agent;
  private readonly tunnelled = new Map<string, Agent>();
  private readonly single = new Set<Agent>();

  constructor(
    private readonly policy: AddressPolicy,
    private readonly options: DialerOptions,
  ) {
    this.straight = createDialer(policy, options);
  }

  /** @throws UpstreamFailure when the proxy's URL cannot be used: then nothing goes out */
  through(proxyUrl: string | undefined): Dispatcher {
    if (proxyUrl === undefined) return this.straight;
    const known = this.tunnelled.get(proxyUrl);
    const agent = known ?? this.tunnelThrough(proxyUrl);
    if (known !== undefined) this.tunnelled.delete(proxyUrl);
    this.tunnelled.set(proxyUrl, agent);
    this.forgetOldest();
    return agent;
  }

  /** Does one request on a connection that nothing was sent on before, which ends with its answer. */
  async anew<T>(proxyUrl: string | undefined, request: (by: Dispatcher) => Promise<T>): Promise<T> {
    const agent =
      proxyUrl === undefined ? createDialer(this.policy, this.options) : this.tunnelThrough(proxyUrl);
    this.single.add(agent);
    try {
      return await request(agent);
    } finally {
      // Closing waits for the answer's end.
      void agent.close().finally(() => this.single.delete(agent));
    }
  }

  /** Cuts everything that is open. */
  async destroy(): Promise<void> {
    const agents = [this.straight, ...this.tunnelled.values(), ...this.single];
    await Promise.all(agents.map((agent) => agent.destroy()));
  }

  private tunnelThrough(proxyUrl: string): Agent {
    const proxy = readProxyUrl(proxyUrl);
    if (typeof proxy === 'string') throw new UpstreamFailure('proxy-refused', 'PROXY_URL');
    return agentOver(tunnelConnector(proxy, this.policy, this.options));
  }

  private forgetOldest(): void {
    const [oldest] = this.tunnelled;
    if (this.tunnelled.size <= MOST_PROXIES || oldest === undefined) return;
    const [proxyUrl, agent] = oldest;
    this.tunnelled.delete(proxyUrl);
    agent.close().catch(() => undefined);
  }
}
