import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import { Enforces } from '../access/route-policy.ts';
import { ProblemError, titleOf } from '../errors/problem-error.ts';
import { AdminTokens } from './admin-tokens.ts';
import type { Administrator } from './admin-tokens.repository.ts';
import { isCrossSite } from './cross-site.ts';
import { GuessThrottle } from './guess-throttle.ts';

const administrators = new WeakMap<IncomingMessage, Administrator>();

/** The `admin` policy: a Bearer token of an administrator, and nothing else. Roles will be checked here. */
@Injectable()
@Enforces('admin')
export class AdminGuard implements CanActivate {
  private readonly throttle = new GuessThrottle();

  constructor(private readonly tokens: AdminTokens) {}

  /** @throws ProblemError 401 (the same for a missing and for a wrong token), 403, 429 */
  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<IncomingMessage>();
    if (request.method !== 'GET' && request.method !== 'HEAD' && isCrossSite(request.headers)) {
      throw ProblemError.of(403, 'Requests from other sites are refused');
    }
    const token = bearerOf(request);
    if (token === undefined) throw unauthorized();
    const address = request.socket.remoteAddress ?? '';
    const wait = this.throttle.waitSeconds(address);
    if (wait > 0 && !this.tokens.isInUse(token)) {
      throw new ProblemError(429, titleOf(429), 'Too many wrong tokens came from this address', [], wait);
    }
    const administrator = await this.tokens.find(token);
    if (administrator === undefined) {
      this.throttle.wasWrong(address);
      throw unauthorized();
    }
    administrators.set(request, administrator);
    return true;
  }
}

/** Who acts, for the audit log. @throws Error on a route without {@link AdminGuard} */
export function actorOf(request: IncomingMessage): string {
  const administrator = administrators.get(request);
  if (administrator === undefined) throw new Error('No administrator: the route has no AdminGuard');
  return `${administrator.name} (${administrator.id})`;
}

/** An API key of ours is known by its beginning; it is never an administrator's token, nor a guess at one. */
function bearerOf(request: IncomingMessage): string | undefined {
  const token = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1];
  return token === undefined || token.startsWith('rk_') ? undefined : token;
}

function unauthorized(): ProblemError {
  return ProblemError.of(401, "An administrator's token is needed");
}
