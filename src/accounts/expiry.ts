/**
 * Milliseconds until `expiresAt`, negative when past; infinite when it is absent or not a time. Vendors write it as
 * ISO 8601, epoch seconds or epoch milliseconds.
 */
export function millisecondsLeft(expiresAt: string | undefined, now = Date.now()): number {
  const at = expiresAt === undefined ? NaN : readTime(expiresAt);
  return Number.isNaN(at) ? Infinity : at - now;
}

/** Seconds of the year 5138 are milliseconds of 1973: nothing that is meant lies on the wrong side. */
const SECONDS_BELOW = 100_000_000_000;

function readTime(text: string): number {
  if (!/^\d+(\.\d+)?$/.test(text)) return Date.parse(text);
  const number = Number(text);
  return number < SECONDS_BELOW ? number * 1000 : number;
}
