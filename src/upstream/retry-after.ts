/** When an upstream says to come again: every form seen on the wire, as milliseconds from `now`. */

const SECOND = 1_000;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const UNIT: Readonly<Record<string, number>> = { ms: 1, s: SECOND, m: 60_000, h: HOUR, d: DAY };

type Headers = Readonly<Record<string, string>>;

/**
 * `retry-after-ms`, else `retry-after` (seconds or an HTTP date, RFC 9110 10.2.3), held between 1 s and 1 h: a bare
 * wait says nothing of a window, and a wrong one must not take an account away for days. Past dates and negative waits
 * are 1 s; undefined when there is none or it cannot be read.
 */
export function bareRetryAfter(headers: Headers, now: number): number | undefined {
  const inMs = number(headers['retry-after-ms']);
  if (inMs !== undefined) return within(inMs, HOUR);
  const text = headers['retry-after']?.trim();
  const seconds = number(text);
  if (seconds !== undefined) return within(seconds * SECOND, HOUR);
  const date = httpDate(text);
  return date === undefined ? undefined : within(date - now, HOUR);
}

/**
 * An explicit reset of a window, held between 1 s and 32 days: epoch seconds or milliseconds, RFC 3339, an HTTP date,
 * a duration (`22s`, `0.5s`, `6m0s`, `120ms`) or, below 10^9, seconds from now.
 */
export function untilReset(value: string | undefined, now: number): number | undefined {
  const text = value?.trim();
  const bare = number(text);
  if (bare !== undefined) {
    if (bare < 1e9) return within(bare * SECOND, 32 * DAY);
    return within((bare < 1e11 ? bare * SECOND : bare) - now, 32 * DAY);
  }
  const lasting = duration(text);
  if (lasting !== undefined) return within(lasting, 32 * DAY);
  const date = rfc3339(text) ?? httpDate(text);
  return date === undefined ? undefined : within(date - now, 32 * DAY);
}

function within(ms: number, most: number): number {
  return Math.ceil(Math.min(Math.max(ms, SECOND), most));
}

function number(text: string | undefined): number | undefined {
  const trimmed = text?.trim() ?? '';
  return /^-?\d{1,20}(\.\d{1,20})?$/.test(trimmed) ? Number(trimmed) : undefined;
}

function duration(text: string | undefined): number | undefined {
  if (text === undefined || !/^(\d{1,12}(\.\d{1,12})?(ms|s|m|h|d)){1,5}$/.test(text)) return undefined;
  let ms = 0;
  for (const [, amount, unit] of text.matchAll(/([\d.]+)(ms|[smhd])/g))
    ms += Number(amount) * (UNIT[unit ?? ''] ?? 0);
  return ms;
}

// `Date.parse` alone takes nearly anything ("junk 1" is a day in 2001), so the shape is looked at first.
const RFC_3339 = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$/;
const IMF_FIXDATE = /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/;
const RFC_850 = /^[A-Z][a-z]{5,8}, \d\d-[A-Z][a-z]{2}-\d\d \d\d:\d\d:\d\d GMT$/;
const ASCTIME = /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}$/;

function rfc3339(text: string | undefined): number | undefined {
  return text !== undefined && RFC_3339.test(text) ? parsed(text) : undefined;
}

function httpDate(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (IMF_FIXDATE.test(text) || RFC_850.test(text)) return parsed(text);
  return ASCTIME.test(text) ? parsed(`${text} GMT`) : undefined;
}

function parsed(text: string): number | undefined {
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}
