import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter, type NestExpressApplication } from '@nestjs/platform-express';
import express, { json } from 'express';
import helmet from 'helmet';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from 'pino';
import { FirstAdmin } from './admin/first-admin.ts';
import { AppModule } from './app.module.ts';
import { BootGate } from './boot-gate.ts';
import type { Env } from './config/env.ts';
import { runMigrations } from './database/migrate.ts';
import { H2c } from './h2c/h2c.ts';
import { Readiness } from './health/readiness.ts';
import { messageClassesOf } from './message-classes.ts';
import { serveDocs } from './openapi/docs.ts';
import { OpenRuns } from './relay/open-runs.ts';
import { withSoundHead } from './request-head.ts';
import { Shutdown } from './shutdown.ts';
import { createLogger, LOGGER } from './telemetry/logger.ts';
import { NestLogger } from './telemetry/nest-logger.ts';
import { setUpV8 } from './v8-settings.ts';

/** Admin bodies are small; relay bodies are read by the dialects, not by a parser. */
const ADMIN_BODY_LIMIT = '1mb';
/** Longer than any balancer keeps an idle connection, or it would send a request into a closing socket. */
const KEEP_ALIVE_MS = 75_000;
/** A whole request, head and body; the body clock of `RequestBodies` is stricter. */
const REQUEST_MS = 600_000;

export interface Relay {
  readonly url: string;
  /** The first administrator's token when this start made it; it is shown nowhere else, ever. */
  readonly firstAdminToken: string | undefined;
  readonly app: NestExpressApplication;
  /** Drains (see `Shutdown`) and ends everything that was started here. Idempotent; `hurry()` shortens it. */
  close(): Promise<void>;
  hurry(): void;
}

/** Migrates, boots and listens. `env.databaseUrl` must be set: the embedded Postgres is started by the caller. */
export async function startRelay(env: Env): Promise<Relay> {
  if (env.databaseUrl === undefined) throw new Error('startRelay needs a database');
  await runMigrations(env.databaseUrl);
  return bootRelay(env);
}

/**
 * Boots and listens on a database that has been migrated.
 *
 * @param prepare asked before anything listens
 */
export async function bootRelay(
  env: Env,
  prepare: (app: NestExpressApplication) => void = () => undefined,
): Promise<Relay> {
  setUpV8();
  const http = express();
  http.disable('x-powered-by').disable('etag');
  http.enable('case sensitive routing').enable('strict routing');
  const app = await NestFactory.create<NestExpressApplication>(
    AppModule.with(env),
    new ExpressAdapter(http),
    {
      bodyParser: false,
      logger: new NestLogger(createLogger(env.logLevel, undefined, env.worker)),
      abortOnError: false,
    },
  );
  try {
    prepare(app);
    return await listen(env, app, http);
  } catch (error) {
    await app.close();
    throw error;
  }
}

async function listen(env: Env, app: NestExpressApplication, http: express.Express): Promise<Relay> {
  const shutdown = new Shutdown(app.get(Readiness), app.get(OpenRuns), {
    acceptMs: env.drainAcceptSeconds * 1000,
    drainMs: env.drainSeconds * 1000,
  });
  const gate = new BootGate();
  http.use(['/admin', '/docs', '/openapi.json', '/health'], helmet({ contentSecurityPolicy: false }));
  http.use('/admin', json({ limit: ADMIN_BODY_LIMIT, type: () => true }));
  serveDocs(app);
  await app.init();

  const server = createServer(
    {
      ...messageClassesOf(http),
      headersTimeout: env.clocks.requestHeadersMs,
      requestTimeout: REQUEST_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: Math.min(1000, env.clocks.requestHeadersMs),
      noDelay: true,
      keepAlive: true,
      // As much as waits for a slow client before its upstream is paused; Node 22 and later would take 64 KiB.
      highWaterMark: 16 * 1024,
    },
    withSoundHead(shutdown.before(gate.before(http))),
  );
  server.maxHeadersCount = 0;
  const { requestHeadersMs: headersMs, writeStallMs } = env.clocks;
  // After the clock of an answer's writer, who books what it was.
  const h2c = new H2c(server, { headersMs, idleMs: KEEP_ALIVE_MS, stallMs: 2 * writeStallMs });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(env.port, env.host, resolve);
  });
  const url = urlOf(env, server);
  // A start that fails on its port must not have made a token that nobody is shown.
  const firstAdminToken = await app
    .get(FirstAdmin)
    .ensure()
    .catch((error: unknown) => {
      server.close().closeAllConnections();
      throw error;
    });
  gate.open();
  app.get<Logger>(LOGGER).info({ url }, 'listening');

  let closing: Promise<void> | undefined;
  return {
    url,
    firstAdminToken,
    app,
    close: () => (closing ??= shutdown.run(server, h2c).then(() => app.close())),
    hurry: () => shutdown.hurry(),
  };
}

function urlOf(env: Env, server: Server): string {
  const { port } = server.address() as AddressInfo;
  const host = ['0.0.0.0', '::'].includes(env.host) ? '127.0.0.1' : env.host;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
