import type { IncomingHttpHeaders } from 'node:http';
import type { Session, SessionSource } from './dialect.ts';
import { type BodyScan, type Member, readValue } from './json-scan.ts';

/** Longer names than that are none; what is left of the ladder decides. */
const MOST_BYTES = 512;
/** A JSON string within a JSON string: escapes double. */
const MOST_TOKEN_BYTES = 4 * MOST_BYTES;

/** The former spelling of Claude Code's `metadata.user_id`: `user_<hash>_account_<uuid>_session_<uuid>`. */
const FORMER_USER_ID = /^user_.*_session_([\w-]+)$/;

const HEADERS: readonly (readonly [name: string, source: SessionSource])[] = [
  ['x-relay-session-id', 'header'],
  ['x-claude-code-session-id', 'claude-code'],
];

/** What a body says of its session by name, best first. */
export interface NamedSession {
  readonly source: SessionSource;
  readonly member: Member | undefined;
  /** From the member's text; undefined: it names no session. */
  readonly read?: (text: string) => string | undefined;
}

/**
 * The session of a call, by the first that there is: the relay's own header, Claude Code's header, what the body says
 * by name, what the vendor's cache would know it by. Never a reason to refuse a call.
 */
export function sessionOf(
  headers: IncomingHttpHeaders,
  body: Buffer,
  scan: BodyScan,
  named: readonly NamedSession[],
): Session | undefined {
  const forAnHour = scan.prefix?.forAnHour ?? false;
  for (const [header, source] of HEADERS) {
    const said = headers[header];
    const name = said === undefined ? undefined : sessionName(String(said));
    if (name !== undefined) return { source, name, forAnHour };
  }
  for (const { source, member, read = sessionName } of named) {
    if (member === undefined) continue;
    const text = textAt(body, member);
    const name = sessionName((text && read(text)) ?? '');
    if (name !== undefined) return { source, name, forAnHour };
  }
  const digest = scan.prefix?.digest(body, (tools) => scan.members.get(tools)?.span);
  return digest === undefined ? undefined : { source: 'prefix', name: `prefix ${digest}`, forAnHour };
}

/** The session in Anthropic's `metadata.user_id`, as Claude Code writes it today (JSON) and as it did formerly. */
export function sessionInUserId(text: string): string | undefined {
  if (!text.startsWith('{')) return FORMER_USER_ID.exec(text)?.[1];
  try {
    const { session_id: id } = JSON.parse(text) as { readonly session_id?: unknown };
    return typeof id === 'string' ? id : undefined;
  } catch {
    return undefined;
  }
}

function textAt(body: Buffer, { kind, span }: Member): string | undefined {
  if (kind !== 'string' || span.end - span.start > MOST_TOKEN_BYTES) return undefined;
  return readValue(body, span, 'session') as string;
}

/** A session's name as it counts; undefined: it is none. */
export function sessionName(name: string): string | undefined {
  const text = name.trim();
  return text === '' || Buffer.byteLength(text) > MOST_BYTES ? undefined : text;
}
