import type { Dialect, Framing } from '../dialects/dialect.ts';

/** The upstream's answer headers that reach the client: the dialect's allow-list, and what framing needs. */
export function forwardedHeaders(
  headers: Readonly<Record<string, string>>,
  dialect: Dialect,
  framing: Framing,
): Record<string, string> {
  const forwarded: Record<string, string> = {};
  for (const name in headers) {
    if (dialect.answerHeaders.has(name)) forwarded[name] = headers[name]!;
  }
  const type = headers['content-type'];
  if (type !== undefined) forwarded['content-type'] = type;
  const length = headers['content-length'];
  if (framing === 'json' && length !== undefined) forwarded['content-length'] = length;
  return forwarded;
}
