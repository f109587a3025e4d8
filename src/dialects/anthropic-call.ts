import type { IncomingHttpHeaders } from 'node:http';
import { readString, readWhole, requireField, Spellings } from './body-fields.ts';
import { allowedHeaders, allowedQuery, checkSingle } from './call-headers.ts';
import type { Call, Session, Span } from './dialect.ts';
import { compilePaths } from './json-paths.ts';
import { type BodyScan, readValue, scanBody } from './json-scan.ts';
import type { PrefixShape } from './cacheable-prefix.ts';
import { HeaderList } from './header-list.ts';
import { checkModelName } from './model-name.ts';
import { sessionInUserId, sessionOf } from './session.ts';

export interface AnthropicInput {
  readonly operation: 'generate' | 'count';
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders?: readonly string[];
  readonly query: URLSearchParams;
  readonly body: Buffer;
}

/** What Anthropic's clients say that means something upstream: SDKs, Claude Code, the AI SDK. */
const HEADERS = new HeaderList(
  'accept',
  'content-type',
  'user-agent',
  'anthropic-version',
  'anthropic-beta',
  'anthropic-dangerous-direct-browser-access',
  'x-app',
  'x-claude-code-session-id',
  'x-stainless-*',
);

/** Whatever is read here. */
const NAMES = new Spellings('model', 'messages', 'max_tokens', 'stream');

/** What an account in another envelope (Bedrock) moves, or has to look at for that. */
const EDITED = ['stream', 'anthropic_version', 'anthropic_beta', 'max_tokens', 'thinking'];

/** Models named beside `model`: `BetaFallbackParam` and `BetaAdvisorTool20260301` of @anthropic-ai/sdk 1.12. */
const OTHER_MODELS = ['fallbacks[].model', 'tools[].model'];
const USER_ID = 'metadata.user_id';
const WATCHED = compilePaths([...OTHER_MODELS, `${USER_ID}+`]);

/** The order of Anthropic's cache (docs, "Prompt caching"). */
export const MESSAGES_PREFIX: PrefixShape = {
  tools: ['tools'],
  system: ['system'],
  turns: ['messages'],
  mark: 'cache_control',
};

/**
 * Reads POST /v1/messages and /v1/messages/count_tokens. `max_tokens` may be 0, which warms the prompt cache
 * (docstring of `MessageCreateParamsBase`).
 * @throws CallError (400) that names the field.
 */
export async function readAnthropicCall(input: AnthropicInput): Promise<Call> {
  const { operation, body } = input;
  checkSingle('anthropic-version', input.headers, input.rawHeaders);
  const headers = allowedHeaders(input.headers, HEADERS);
  const query = allowedQuery(input.query, ['beta']);

  const counting = operation === 'count';
  const scan = await scanBody(body, WATCHED, counting ? undefined : MESSAGES_PREFIX);
  NAMES.refuseOthers(scan);
  const model = requireField(scan, 'model', 'string');
  requireField(scan, 'messages', 'array');
  return {
    dialect: 'anthropic',
    operation,
    lane: counting ? 'count' : 'generate',
    model: checkModelName(readString(body, model, 'model')),
    modelSpans: [model.span],
    otherModels: otherModels(body, scan),
    editSpans: editSpans(scan),
    carries: scan.carries,
    framing: !counting && readStream(body, scan) ? 'sse' : 'json',
    maxOutputTokens: counting ? undefined : readMaxTokens(body, scan),
    session: counting ? undefined : messagesSession(input.headers, body, scan, USER_ID),
    headers,
    query,
    body,
  };
}

/** @param userId the watched path of `metadata.user_id` */
export function messagesSession(
  headers: IncomingHttpHeaders,
  body: Buffer,
  scan: BodyScan,
  userId: string,
): Session | undefined {
  const member = scan.found.find(({ path }) => path === userId);
  return sessionOf(headers, body, scan, [{ source: 'metadata', member, read: sessionInUserId }]);
}

function editSpans({ members }: BodyScan): Readonly<Record<string, Span>> {
  const spans: Record<string, Span> = {};
  for (const name of EDITED) {
    const member = members.get(name);
    if (member !== undefined) spans[name] = member.span;
  }
  return spans;
}

function readStream(body: Buffer, scan: BodyScan): boolean {
  if (!scan.members.has('stream')) return false;
  return readValue(body, requireField(scan, 'stream', 'boolean').span, 'stream') === true;
}

function readMaxTokens(body: Buffer, scan: BodyScan): number {
  const member = requireField(scan, 'max_tokens', 'number');
  return readWhole(body, member, 'max_tokens', 0, Number.MAX_SAFE_INTEGER);
}

function otherModels(body: Buffer, scan: BodyScan): string[] {
  if (scan.found.length === 0) return [];
  const named = scan.found.filter(({ path }) => OTHER_MODELS.includes(path));
  const names = named.map((found) => checkModelName(readString(body, found, found.path), found.path));
  return [...new Set(names)];
}
