import type { Dialect, Framing } from '../dialects/dialect.ts';

/** The upstream's answer headers that reach the client: the dialect's allow-list, and what framing needs. */
export function forwardedHeaders(
  headers: Readonly<Record<string, string>>,
  dialect: Dialect,
  framing: Framing,
): Record<string, string> {
  const forwarded: Record<string, string> = {};
  const { names, beginnings } = allowList(dialect);
  for (const name in headers) {
    if (names.has(name) || beginnings.some((beginning) => name.startsWith(beginning)))
      forwarded[name] = headers[name]!;
  }
  const type = headers['content-type'];
  if (type !== undefined) forwarded['content-type'] = type;
  const length = headers['content-length'];
  if (framing === 'json' && length !== undefined) forwarded['content-length'] = length;
  return forwarded;
}

/** A dialect's `answerHeaders`: names, and what those begin with that end with a star. */
interface AllowList {
  readonly names: ReadonlySet<string>;
  readonly beginnings: readonly string[];
}

const known = new WeakMap<Dialect, AllowList>();

function allowList(dialect: Dialect): AllowList {
  const found = known.get(dialect);
  if (found !== undefined) return found;
  const names = new Set(dialect.answerHeaders.filter((allowed) => !allowed.endsWith('*')));
  const starred = dialect.answerHeaders.filter((allowed) => allowed.endsWith('*'));
  const list = { names, beginnings: starred.map((allowed) => allowed.slice(0, -1)) };
  known.set(dialect, list);
  return list;
}
