import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from 'pino';
import { ENV } from '../config/config.module.ts';
import type { Env } from '../config/env.ts';
import { LOGGER } from '../telemetry/logger.ts';
import { mayReadMetrics } from './metrics.guard.ts';
import { Scrape } from './scrape.ts';

/**
 * Metrics on a port of their own (`RELAY_METRICS_PORT`), open from boot until the end of the drain. A configured
 * token is asked for here too. States: absent without the setting; listening; closed.
 */
@Injectable()
export class MetricsServer implements OnApplicationBootstrap, OnApplicationShutdown {
  private server: Server | undefined;

  constructor(
    @Inject(ENV) private readonly env: Env,
    @Inject(LOGGER) private readonly log: Logger,
    private readonly scrape: Scrape,
  ) {}

  /** Undefined while not listening. */
  get port(): number | undefined {
    return (this.server?.address() as AddressInfo | null | undefined)?.port;
  }

  async onApplicationBootstrap(): Promise<void> {
    if (this.env.metricsPort === undefined) return;
    const server = createServer((request, response) => {
      void this.answer(request.method, request.url, request.headers.authorization).then(
        ({ status, type, body }) => {
          response.writeHead(status, { 'content-type': type }).end(body);
        },
      );
    });
    server.headersTimeout = 15_000;
    server.requestTimeout = 30_000;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.env.metricsPort, this.env.host, resolve);
    });
    this.server = server;
    this.log.info({ port: this.port }, 'metrics listen');
  }

  async onApplicationShutdown(): Promise<void> {
    const server = this.server;
    this.server = undefined;
    if (server === undefined) return;
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  }

  private async answer(
    method: string | undefined,
    url: string | undefined,
    authorization: string | undefined,
  ): Promise<{ status: number; type: string; body: string }> {
    const type = 'text/plain; charset=utf-8';
    if (url?.split('?', 1)[0] !== '/metrics') return { status: 404, type, body: 'not found\n' };
    if (method !== 'GET') return { status: 405, type, body: 'GET only\n' };
    if (this.env.metricsToken !== undefined && !mayReadMetrics(authorization, this.env.metricsToken)) {
      return { status: 401, type, body: 'the metrics token is missing or wrong\n' };
    }
    return { status: 200, type: this.scrape.contentType, body: await this.scrape.text() };
  }
}
