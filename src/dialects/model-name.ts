import { CallError } from './dialect.ts';

const MAX_LENGTH = 256;
const ALPHABET = /^[A-Za-z0-9._:@,/-]+$/;
/** A segment that is empty, `.` or `..`. */
const ELSEWHERE = /(?:^|\/)\.{0,2}(?:\/|$)/;

/**
 * A model's name may stand in an upstream's path, so it is made of harmless characters and of segments that go
 * nowhere else: none empty, `.` or `..`.
 * @throws CallError that names `field`.
 */
export function checkModelName(value: unknown, field = 'model'): string {
  if (typeof value !== 'string') throw new CallError(`${field}: must be a string`);
  if (value.length === 0) throw new CallError(`${field}: must not be empty`);
  if (value.length > MAX_LENGTH) throw new CallError(`${field}: must have at most ${MAX_LENGTH} characters`);
  if (!ALPHABET.test(value)) {
    throw new CallError(`${field}: may hold letters, digits and . _ : @ , / - only`);
  }
  if (ELSEWHERE.test(value)) throw new CallError(`${field}: must not have empty, "." or ".." segments`);
  return value;
}
