import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Request } from 'express';
import type { IncomingMessage } from 'node:http';
import { contextOf } from '../access/request-context.ts';
import { Enforces } from '../access/route-policy.ts';
import { DatabaseUnavailable } from '../database/database-unavailable.ts';
import { RelayError } from '../errors/relay-error.ts';
import type { ApiKey } from './api-key.ts';
import { Caller } from './caller.ts';
import { presentedKey } from './credential-header.ts';
import { ANY_DOOR, DOOR, type DoorOf } from './door.decorator.ts';
import { KeyDirectory } from './key-directory.ts';

/** On the request itself, where {@link KeyGuard} alone puts it. */
const CALLER = Symbol('Caller');

type Called = IncomingMessage & { [CALLER]?: Caller };

/** One sentence for a key that is missing, wrong, disabled, expired or revoked: it tells a guesser nothing. */
const NO_KEY = 'The API key is missing or not valid';
const RETRY_SECONDS = 2;

/** The `key` policy: who calls, and may this key use this door. Places and limits are admission's. */
@Injectable()
@Enforces('key')
export class KeyGuard implements CanActivate {
  constructor(
    private readonly directory: KeyDirectory,
    private readonly reflector: Reflector,
  ) {}

  /**
   * At once where the key is in memory, which is nearly always.
   * @throws RelayError 401, 403, or 503 while the database cannot be asked about a key that is not in memory
   */
  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const request = context.switchToHttp().getRequest<Request>();
    contextOf(request);
    const found = this.directory.find(secretIn(request));
    if (!(found instanceof Promise)) return this.enters(context, request, found);
    return found.then((key) => this.enters(context, request, key), cannotTell);
  }

  private enters(context: ExecutionContext, request: Request & Called, key: ApiKey | undefined): true {
    if (key === undefined || !this.directory.isUsable(key)) throw new RelayError('key-missing', NO_KEY);
    const targets = [context.getHandler(), context.getClass()];
    checkDoor(this.reflector.getAllAndOverride<DoorOf | undefined>(DOOR, targets), request, key);
    request[CALLER] = Caller.of(key);
    return true;
  }
}

function cannotTell(error: unknown): never {
  if (!(error instanceof DatabaseUnavailable)) throw error;
  // Not 401: a client would throw its key away.
  throw new RelayError(
    'admission-unavailable',
    'The key cannot be checked just now; try again',
    RETRY_SECONDS,
  );
}

/** @throws Error on a route without {@link KeyGuard} */
export function callerOf(request: Called): Caller {
  const caller = request[CALLER];
  if (caller === undefined) throw new Error('No caller: the route has no KeyGuard');
  return caller;
}

function secretIn(request: Request): string {
  const presented = presentedKey(request.rawHeaders, request.originalUrl);
  switch (presented.found) {
    case 'key':
      return presented.secret;
    case 'none':
      throw new RelayError('key-missing', NO_KEY);
    case 'conflict':
      throw new RelayError('key-conflict', 'Two different API keys came with one request');
    case 'foreign':
      throw new RelayError(
        'key-missing',
        'AWS signatures and Basic credentials are not accepted; give the API key of the relay as ' +
          'AWS_BEARER_TOKEN_BEDROCK, or in x-api-key',
      );
  }
}

function checkDoor(door: DoorOf | undefined, request: Request, key: ApiKey): void {
  const name = typeof door === 'function' ? door(request) : door;
  if (name === ANY_DOOR) return;
  if (name === undefined || !key.scopes.includes(name)) {
    throw new RelayError('door-closed', `This key may not use the ${name ?? 'unnamed'} API`);
  }
}
