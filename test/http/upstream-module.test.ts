import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ConfigModule } from '../../src/config/config.module.ts';
import { readEnv } from '../../src/config/env.ts';
import { AddressPolicy } from '../../src/upstream/address-policy.ts';
import { readBounded } from '../../src/upstream/read-bounded.ts';
import { UpstreamClient } from '../../src/upstream/upstream-client.ts';
import { UpstreamRegistry } from '../../src/upstream/upstream-registry.ts';
import { UpstreamModule } from '../../src/upstream/upstream.module.ts';
import { claude } from '../../src/claude/claude.upstream.ts';
import { gemini } from '../../src/gemini/gemini.upstream.ts';

async function boot(allowed: string) {
  @Module({ imports: [ConfigModule.with(readEnv({ RELAY_ALLOWED_UPSTREAMS: allowed })), UpstreamModule] })
  class Root {}
  return NestFactory.createApplicationContext(Root, { logger: false, abortOnError: false });
}

describe('the upstream module', () => {
  it('reaches what the environment allows, and lets go of its connections when it closes', async () => {
    const server = createServer((_request, response) => response.end('hello')).listen(0, '127.0.0.1');
    server.keepAliveTimeout = 0;
    const gone = new Promise((resolve) => server.on('connection', (socket) => socket.on('close', resolve)));
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    const app = await boot('127.0.0.0/8');
    expect(app.get(AddressPolicy).checkBaseUrl(`http://127.0.0.1:${port}`)).toBeUndefined();

    const url = new URL(`http://127.0.0.1:${port}/`);
    const request = { method: 'GET', url, headers: {}, body: undefined } as const;
    const { signal } = new AbortController();
    const options = { signal, headersMs: 10_000, proxyUrl: undefined };
    const { body } = await app.get(UpstreamClient).send(request, options);
    expect((await readBounded(body, 100)).toString()).toBe('hello');

    await app.close();
    await gone;
    server.close();
  });

  it('does not start on a list of upstreams that it cannot read', async () => {
    await expect(boot('http://127.0.0.1')).rejects.toThrow('RELAY_ALLOWED_UPSTREAMS');
  });

  it('knows each kind once', async () => {
    const app = await boot('');
    const registry = app.get(UpstreamRegistry);
    registry.register(gemini);
    registry.register(claude);
    expect(registry.kinds()).toEqual(['claude', 'gemini']);
    expect(registry.get('claude')).toBe(claude);
    expect(registry.get('toString')).toBeUndefined();
    expect(() => registry.register({ ...gemini, kind: 'claude' })).toThrow('twice');
    await app.close();
  });
});
