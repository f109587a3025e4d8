import {
  type CanActivate,
  type ExecutionContext,
  Inject,
  Injectable,
  NotFoundException,
  UnauthorizedException,
} from '@nestjs/common';
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Enforces } from '../access/route-policy.ts';
import { ENV } from '../config/config.module.ts';
import type { Env } from '../config/env.ts';

/** The `metrics` policy: without a configured token the route does not exist on the public port. */
@Injectable()
@Enforces('metrics')
export class MetricsGuard implements CanActivate {
  constructor(@Inject(ENV) private readonly env: Env) {}

  canActivate(context: ExecutionContext): boolean {
    const http = context.switchToHttp();
    if (this.env.metricsToken === undefined) throw new NotFoundException();
    if (mayReadMetrics(http.getRequest<IncomingMessage>().headers.authorization, this.env.metricsToken))
      return true;
    http.getResponse<ServerResponse>().setHeader('www-authenticate', 'Bearer realm="metrics"');
    throw new UnauthorizedException('The metrics token is missing or wrong');
  }
}

/** Compares digests, so that neither the time nor the length says anything about the token. */
export function mayReadMetrics(authorization: string | undefined, token: string): boolean {
  const given = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
  return given !== undefined && timingSafeEqual(digest(given), digest(token));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
