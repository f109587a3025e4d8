import { type DynamicModule, Global, Module } from '@nestjs/common';
import type { Env } from './env.ts';

/** Injection token of the frozen {@link Env}: `@Inject(ENV) private readonly env: Env`. */
export const ENV = Symbol('Env');

@Global()
@Module({})
export class ConfigModule {
  static with(env: Env): DynamicModule {
    return { module: ConfigModule, providers: [{ provide: ENV, useValue: env }], exports: [ENV] };
  }
}
