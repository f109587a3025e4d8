import { SetMetadata } from '@nestjs/common';
import type { Request } from 'express';

/** A door by name, or how to tell it from the request (`/v1/models` belongs to two). */
export type DoorOf = string | ((request: Request) => string);

export const DOOR = Symbol('Door');

/** A route that any usable key may call, whatever its scopes. */
export const ANY_DOOR = '*';

/** On a controller or route with {@link KeyGuard}: which scope the key needs. Without it no key passes. */
export const Door = (door: DoorOf) => SetMetadata(DOOR, door);
