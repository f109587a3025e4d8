import type { ApiKey } from './api-key.ts';

const made = Symbol('made by KeyGuard');

/** Who calls. Made in one place only, after the key was found; its absence is never replaced by an empty one. */
export class Caller {
  readonly key: ApiKey;

  private constructor(proof: typeof made, key: ApiKey) {
    if (proof !== made) throw new Error('A Caller is made by Caller.of');
    this.key = key;
    Object.freeze(this);
  }

  /** For `KeyGuard` alone. */
  static of(key: ApiKey): Caller {
    return new Caller(made, key);
  }
}
