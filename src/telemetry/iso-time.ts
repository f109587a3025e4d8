const MILLISECONDS = Array.from({ length: 1_000 }, (_, ms) => String(ms).padStart(3, '0'));

/**
 * The time of a line as pino wants it: a further member of the JSON object, in ISO 8601. Date and second are written
 * once for all lines of that second.
 */
export function isoTime(now: () => number = Date.now): () => string {
  let second = Number.NaN;
  let upToSecond = '';
  return () => {
    const at = now();
    const ms = at % 1_000;
    if (at - ms !== second) {
      second = at - ms;
      upToSecond = `,"time":"${new Date(second).toISOString().slice(0, -4)}`;
    }
    return `${upToSecond}${MILLISECONDS[ms] ?? ''}Z"`;
  };
}
