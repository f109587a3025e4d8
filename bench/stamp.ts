/**
 * When a delta left its sender, told in the delta's text, so that whoever gets it knows how long it was under way: `@` and
 * the microseconds of the monotonic clock, which all processes of a machine share.
 */
const DIGITS = 15;
const MARK = '@'.charCodeAt(0);
const ZERO = '0'.charCodeAt(0);
const STAMP = new RegExp(`@\\d{${DIGITS}}`, 'g');

/** Holds the place of a stamp. */
export const NO_STAMP = `@${'0'.repeat(DIGITS)}`;

function nowMicros(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

/** A copy of `delta` that says that it leaves now; `at` is where its `NO_STAMP` begins. */
export function stamped(delta: Buffer, at: number): Buffer {
  const copy = Buffer.from(delta);
  copy.write(String(nowMicros()).padStart(DIGITS, '0'), at + 1, 'latin1');
  return copy;
}

/** Milliseconds since each of the stamps in some bytes of a stream; one that is cut in two is left out. */
export function delaysIn(bytes: Buffer): number[] {
  const delays: number[] = [];
  for (let at = bytes.indexOf(MARK); at >= 0; at = bytes.indexOf(MARK, at + 1)) {
    const sent = digitsAt(bytes, at + 1);
    if (sent !== undefined) delays.push((nowMicros() - sent) / 1000);
  }
  return delays;
}

/** The same for all streams of one question. */
export function withoutStamps(text: string): string {
  return text.replace(STAMP, NO_STAMP);
}

function digitsAt(bytes: Buffer, from: number): number | undefined {
  if (from + DIGITS > bytes.length) return undefined;
  let value = 0;
  for (let at = from; at < from + DIGITS; at += 1) {
    const digit = (bytes[at] ?? 0) - ZERO;
    if (digit < 0 || digit > 9) return undefined;
    value = 10 * value + digit;
  }
  return value;
}
