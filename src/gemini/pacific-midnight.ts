const DAY = 86_400_000;
const HOUR = 3_600_000;

const clock = new Intl.DateTimeFormat('en-US', {
  timeZone: 'America/Los_Angeles',
  hourCycle: 'h23',
  hour: 'numeric',
  minute: 'numeric',
  second: 'numeric',
});

/** Milliseconds until the next midnight in Pacific time, when Gemini's per-day quotas begin anew. */
export function untilPacificMidnight(now: number): number {
  const guess = now + DAY - sinceMidnight(now);
  // On the two days a year that have 23 or 25 hours the guess is an hour off.
  const off = sinceMidnight(guess);
  return guess - now + (off > 12 * HOUR ? DAY - off : -off);
}

function sinceMidnight(at: number): number {
  const parts = Object.fromEntries(clock.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
  const { hour = 0, minute = 0, second = 0 } = parts;
  return hour * HOUR + minute * 60_000 + second * 1_000 + (at % 1_000);
}
