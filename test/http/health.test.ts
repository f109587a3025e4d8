import 'reflect-metadata';
import type { INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Module } from '@nestjs/common';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigModule } from '../../src/config/config.module.ts';
import { readEnv } from '../../src/config/env.ts';
import { HealthModule } from '../../src/health/health.module.ts';
import { MetricsServer } from '../../src/health/metrics-server.ts';
import { Readiness } from '../../src/health/readiness.ts';
import { TelemetryModule } from '../../src/telemetry/telemetry.module.ts';
import { asking, send } from '../support/asking.ts';
import { eventually } from '../support/eventually.ts';
import { Rehearsal } from '../support/relay.ts';
import { WatchedAnswers } from '../support/watched-answers.ts';

const TOKEN = 'metrics-token-of-this-test';
let app: INestApplication | undefined;
let url = '';
let answers: WatchedAnswers | undefined;

async function boot(extra: Record<string, string>): Promise<INestApplication> {
  @Module({
    imports: [
      ConfigModule.with(readEnv({ RELAY_LOG_LEVEL: 'silent', ...extra })),
      TelemetryModule,
      HealthModule,
    ],
  })
  class Probe {}
  app = await NestFactory.create(Probe, { logger: false });
  await app.listen(0, '127.0.0.1');
  url = await app.getUrl();
  answers = new WatchedAnswers(url);
  return app;
}

const statusOf = async (path: string, headers: Record<string, string> = {}): Promise<number> =>
  (await fetch(url + path, { headers })).status;

afterEach(async () => {
  answers?.stop();
  await app?.close();
  app = undefined;
});

describe('health', () => {
  afterEach(() => {
    expect(answers?.count).toBeGreaterThan(0);
    answers?.check();
  });

  it('is alive as long as it answers, and says nothing more', async () => {
    const relay = await boot({});
    relay.get(Readiness).startDraining();
    const answer = await fetch(`${url}/health/live`);
    expect(answer.status).toBe(200);
    expect(await answer.text()).toBe('{"status":"ok"}');
  });

  it('is not ready while a check fails, and ready again once it passes', async () => {
    const relay = await boot({});
    let reason: boolean | string = 'no database at 10.0.0.1';
    relay.get(Readiness).addCheck('admission', () => reason);
    const answer = await fetch(`${url}/health/ready`);
    expect(answer.status).toBe(503);
    expect(await answer.text()).toBe('{"status":"unavailable"}');
    reason = true;
    expect(await statusOf('/health/ready')).toBe(200);
  });

  it('is not ready from the moment it drains', async () => {
    const relay = await boot({});
    expect(await statusOf('/health/ready')).toBe(200);
    relay.get(Readiness).startDraining();
    const answer = await fetch(`${url}/health/ready`);
    expect(answer.status).toBe(503);
    expect(await answer.text()).toBe('{"status":"draining"}');
  });
});

/** Row D12 of reliability.md, as a balancer and a client see it. */
describe('the health of a relay whose spool cannot be written', () => {
  const folder = mkdtempSync(join(tmpdir(), 'relay-health-'));
  const file = join(folder, 'file');
  let rehearsal: Rehearsal;

  beforeAll(async () => {
    writeFileSync(file, '');
    rehearsal = await Rehearsal.start({ RELAY_SPOOL_DIR: join(file, 'below') });
  }, 60_000);
  afterAll(async () => {
    await rehearsal.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const ready = async (): Promise<[status: number, body: string]> => {
    const answer = await fetch(`${rehearsal.url}/health/ready`);
    return [answer.status, await answer.text()];
  };

  it('is degraded, which keeps no call away, until it can be written', async () => {
    await rehearsal.claudeAccount();
    const { key } = await rehearsal.key();
    expect(await ready()).toEqual([200, '{"status":"degraded"}']);
    expect((await send(rehearsal.url, asking('Claude SSE', key, 'Hi'))).status).toBe(200);
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'completed' });
    expect(await ready()).toEqual([200, '{"status":"degraded"}']);
    rmSync(file);
    await eventually(async () => expect(await ready()).toEqual([200, '{"status":"ready"}']), 25_000);
  });
});

describe('metrics', () => {
  it('do not exist on the public port without a token', async () => {
    await boot({});
    expect(await statusOf('/metrics')).toBe(404);
    expect(await statusOf('/metrics', { authorization: 'Bearer undefined' })).toBe(404);
  });

  it('need the token, whole and as Bearer', async () => {
    await boot({ RELAY_METRICS_TOKEN: TOKEN });
    expect(await statusOf('/metrics')).toBe(401);
    for (const wrong of [
      `Bearer ${TOKEN}x`,
      `Bearer ${TOKEN.slice(1)}`,
      `Basic ${TOKEN}`,
      TOKEN,
      'Bearer ',
    ]) {
      expect(await statusOf('/metrics', { authorization: wrong })).toBe(401);
    }
    expect(await statusOf(`/metrics?token=${TOKEN}`)).toBe(401);
    const answer = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${TOKEN}` } });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    expect(await answer.text()).toContain('relay_places_in_use');
  });

  it('stand on a port of their own until the application closes', async () => {
    const relay = await boot({ RELAY_METRICS_PORT: '0' });
    const own = `http://127.0.0.1:${relay.get(MetricsServer).port}`;
    expect(await statusOf('/metrics')).toBe(404);
    expect(await (await fetch(`${own}/metrics`)).text()).toContain('relay_settles_pending');
    expect((await fetch(`${own}/health/live`)).status).toBe(404);
    await relay.close();
    app = undefined;
    await expect(fetch(`${own}/metrics`)).rejects.toThrow();
  });

  it('ask for the token on their own port too, where one is set', async () => {
    const relay = await boot({ RELAY_METRICS_PORT: '0', RELAY_METRICS_TOKEN: TOKEN });
    const own = `http://127.0.0.1:${relay.get(MetricsServer).port}/metrics`;
    expect((await fetch(own)).status).toBe(401);
    expect((await fetch(own, { headers: { authorization: `Bearer ${TOKEN}` } })).status).toBe(200);
  });
});
