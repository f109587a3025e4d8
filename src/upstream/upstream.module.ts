import { HttpService } from '@nestjs/axios';
import { Global, Module, type OnApplicationShutdown } from '@nestjs/common';
import { ENV } from '../config/config.module.ts';
import type { Env } from '../config/env.ts';
import { AddressPolicy } from './address-policy.ts';
import { createAxios } from './axios-adapter.ts';
import { Egress } from './egress.ts';
import { UpstreamClient } from './upstream-client.ts';
import { UpstreamRegistry } from './upstream-registry.ts';

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
      provide: Egress,
      inject: [AddressPolicy, ENV],
      useFactory: (policy: AddressPolicy, env: Env) =>
        new Egress(policy, { connectMs: env.clocks.connectMs }),
    },
    { provide: HttpService, useFactory: () => new HttpService(createAxios()) },
  ],
  exports: [UpstreamRegistry, UpstreamClient, AddressPolicy],
})
export class UpstreamModule implements OnApplicationShutdown {
  constructor(private readonly egress: Egress) {}

  /** After the drain: what is still open is cut. */
  async onApplicationShutdown(): Promise<void> {
    await this.egress.destroy();
  }
}
