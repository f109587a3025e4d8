import type { IncomingHttpHeaders } from 'node:http';
import { readString, readWhole, refuseOtherCase, requireField } from './body-fields.ts';
import { allowedHeaders, allowedQuery, checkSingle } from './call-headers.ts';
import type { Call } from './dialect.ts';
import { compilePaths } from './json-paths.ts';
import { type BodyScan, readValue, scanBody } from './json-scan.ts';
import { checkModelName } from './model-name.ts';

export interface AnthropicInput {
  readonly operation: 'generate' | 'count';
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders?: readonly string[];
  readonly query: URLSearchParams;
  readonly body: Buffer;
}

/** What Anthropic's clients say that means something upstream: SDKs, Claude Code, the AI SDK. */
const HEADERS = [
  'accept',
  'content-type',
  'user-agent',
  'anthropic-version',
  'anthropic-beta',
  'anthropic-dangerous-direct-browser-access',
  'x-app',
  'x-claude-code-session-id',
  'x-stainless-*',
];

/** What an account in another envelope (Bedrock) moves, or has to look at for that. */
const EDITED = ['stream', 'anthropic_version', 'anthropic_beta', 'max_tokens', 'thinking'];

/** Models named beside `model`: `BetaFallbackParam` and `BetaAdvisorTool20260301` of @anthropic-ai/sdk 1.12. */
const OTHER_MODELS = compilePaths(['fallbacks[].model', 'tools[].model']);

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

  const scan = await scanBody(body, OTHER_MODELS);
  refuseOtherCase(scan, ['model', 'messages', 'max_tokens', 'stream']);
  const model = requireField(scan, 'model', 'string');
  requireField(scan, 'messages', 'array');
  const counting = operation === 'count';

  return {
    dialect: 'anthropic',
    operation,
    lane: counting ? 'count' : 'generate',
    model: checkModelName(readString(body, model, 'model')),
    modelSpans: [model.span],
    otherModels: otherModels(body, scan),
    editSpans: Object.fromEntries(
      EDITED.flatMap((name) => {
        const member = scan.members.get(name);
        return member === undefined ? [] : [[name, member.span]];
      }),
    ),
    framing: !counting && readStream(body, scan) ? 'sse' : 'json',
    maxOutputTokens: counting ? undefined : readMaxTokens(body, scan),
    headers,
    query,
    body,
  };
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
  const names = scan.found.map((found) => checkModelName(readString(body, found, found.path), found.path));
  return [...new Set(names)];
}
