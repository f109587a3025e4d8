import { Injectable } from '@nestjs/common';
import type { Upstream } from './upstream.ts';

/** The kinds of account this build can reach. Filled while modules are constructed, read afterwards. */
@Injectable()
export class UpstreamRegistry {
  private readonly upstreams = new Map<string, Upstream>();

  /** @throws Error when two modules claim one kind */
  register(upstream: Upstream): void {
    if (this.upstreams.has(upstream.kind))
      throw new Error(`Upstream kind ${upstream.kind} is registered twice`);
    this.upstreams.set(upstream.kind, upstream);
  }

  get(kind: string): Upstream | undefined {
    return this.upstreams.get(kind);
  }

  kinds(): string[] {
    return [...this.upstreams.keys()].sort();
  }
}
