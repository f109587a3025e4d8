import { HttpService } from '@nestjs/axios';
import { Global, Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import type { Agent } from 'undici';
import { ENV } from '../config/config.module.ts';
import type { Env } from '../config/env.ts';
import { AddressPolicy } from './address-policy.ts';
import { createAxios } from './axios-adapter.ts';
import { createDialer } from './dialer.ts';
import { UpstreamClient } from './upstream-client.ts';
import { UpstreamRegistry } from './upstream-registry.ts';

const DIALER = Symbol('Dialer');

@Global()
@Module({
  providers: [
    UpstreamRegistry,
    UpstreamClient,
    {
      provide: AddressPolicy,
      inject: [ENV],
      useFactory: (env: Env) => new AddressPolicy(env.allowedUpstreams),
    },
    {
      provide: DIALER,
      inject: [AddressPolicy, ENV],
      useFactory: (policy: AddressPolicy, env: Env) =>
        createDialer(policy, { connectMs: env.clocks.connectMs }),
    },
    {
      provide: HttpService,
      inject: [DIALER],
      useFactory: (dialer: Agent) => new HttpService(createAxios(dialer)),
    },
  ],
  exports: [UpstreamRegistry, UpstreamClient, AddressPolicy],
})
export class UpstreamModule implements OnApplicationShutdown {
  constructor(@Inject(DIALER) private readonly dialer: Agent) {}

  /** After the drain: what is still open is cut. */
  async onApplicationShutdown(): Promise<void> {
    await this.dialer.destroy();
  }
}
