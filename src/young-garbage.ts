import { setFlagsFromString } from 'node:v8';

/**
 * Has V8 collect young garbage on the main thread alone. By itself it wakes four more threads for each collection, to
 * share what of a few dozen open requests survives: that is too little to share, and cost a seventh of a request's CPU.
 * What marks old garbage beside the program stays as it is. Read at each collection, so that it holds from now on; a V8
 * that does not know the flag only says so.
 */
export function collectYoungGarbageAlone(): void {
  setFlagsFromString('--no-parallel-scavenge');
}
