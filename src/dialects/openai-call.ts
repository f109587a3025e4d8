import type { IncomingHttpHeaders } from 'node:http';
import { checkKind, readString, readWhole, requireField, Spellings } from './body-fields.ts';
import type { PrefixShape } from './cacheable-prefix.ts';
import { allowedHeaders } from './call-headers.ts';
import { type Call, CallError, type Operation } from './dialect.ts';
import { HeaderList } from './header-list.ts';
import { compilePaths } from './json-paths.ts';
import { type BodyScan, readValue, scanBody } from './json-scan.ts';
import { checkModelName } from './model-name.ts';
import { type NamedSession, sessionOf } from './session.ts';

export interface OpenaiInput {
  readonly route: 'chat' | 'embeddings' | 'responses';
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/**
 * What OpenAI's clients say that means something upstream. `openai-organization` and `openai-project` choose who pays
 * and belong to the account; `x-client-request-id` is the client's own (docs, "Debugging requests").
 */
const HEADERS = new HeaderList(
  'accept',
  'content-type',
  'user-agent',
  'openai-beta',
  'x-client-request-id',
  'x-stainless-*',
);

/** Fields that ask for something the relay does not keep from one call to the next. */
const STATEFUL = ['previous_response_id', 'conversation', 'prompt'];

/** Where the usage of a stream is asked for. */
const EDITED = ['stream_options', 'stream_options.include_usage'];
/** Models that gateways run in place of `model`: `models` (OpenRouter, "Model Fallbacks"), `fallbacks` (LiteLLM). */
const OTHER_MODELS = ['models[]', 'fallbacks[]', 'fallbacks[].model'];
const WATCHED = compilePaths([...EDITED, ...OTHER_MODELS]);

/** Whatever is read here, or refused. */
const NAMES = new Spellings(
  'model',
  'models',
  'fallbacks',
  'messages',
  'input',
  'stream',
  'stream_options',
  'n',
  'max_tokens',
  'max_completion_tokens',
  'max_output_tokens',
  'background',
  ...STATEFUL,
);

interface Route {
  readonly dialect: 'openai' | 'openai-responses';
  readonly operation: Operation;
  readonly prefix?: PrefixShape;
  readonly check: (body: Buffer, scan: BodyScan) => number | undefined;
}

/** Whole prompts are cached from their beginning, without marks (docs, "Prompt caching"); tools stand before the rest. */
const CHAT: PrefixShape = { tools: ['tools'], system: [], turns: ['messages'] };
const RESPONSES: PrefixShape = { tools: ['tools'], system: ['instructions'], turns: ['input'] };

const ROUTES: Readonly<Record<OpenaiInput['route'], Route>> = {
  chat: { dialect: 'openai', operation: 'generate', prefix: CHAT, check: checkChat },
  embeddings: { dialect: 'openai', operation: 'embed', check: checkEmbeddings },
  responses: {
    dialect: 'openai-responses',
    operation: 'generate',
    prefix: RESPONSES,
    check: checkResponses,
  },
};

/**
 * Reads POST /chat/completions, /embeddings and /responses. `store` is taken as it is: it asks for nothing in this
 * answer, and what asks for a kept answer later is refused.
 * @throws CallError (400) that names the field.
 */
export async function readOpenaiCall({ route, headers, body }: OpenaiInput): Promise<Call> {
  const { dialect, operation, prefix, check } = ROUTES[route];
  const allowed = allowedHeaders(headers, HEADERS);
  const scan = await scanBody(body, WATCHED, prefix);
  NAMES.refuseOthers(scan);
  const model = requireField(scan, 'model', 'string');
  const maxOutputTokens = check(body, scan);
  const streams = operation === 'generate' && isTrue(body, scan, 'stream');
  return {
    dialect,
    operation,
    lane: 'generate',
    model: checkModelName(readString(body, model, 'model')),
    modelSpans: [model.span],
    otherModels: otherModels(body, scan),
    editSpans: Object.fromEntries(
      scan.found.filter(({ path }) => EDITED.includes(path)).map(({ path, span }) => [path, span]),
    ),
    carries: scan.carries,
    framing: streams ? 'sse' : 'json',
    maxOutputTokens,
    ...(prefix && { session: sessionOf(headers, body, scan, [cacheKey(scan)]) }),
    headers: allowed,
    query: '',
    body,
  };
}

/** `prompt_cache_key`: what OpenAI itself routes by, so that like calls meet one cache (openai 6.49, `ResponseCreateParams`). */
function cacheKey(scan: BodyScan): NamedSession {
  return { source: 'cache-key', member: scan.members.get('prompt_cache_key') };
}

function otherModels(body: Buffer, scan: BodyScan): string[] {
  if (scan.found.length === 0) return [];
  const named = scan.found.filter(({ path, kind }) => OTHER_MODELS.includes(path) && kind === 'string');
  const names = named.map((found) => checkModelName(readString(body, found, found.path), found.path));
  return [...new Set(names)];
}

function checkChat(body: Buffer, scan: BodyScan): number | undefined {
  requireField(scan, 'messages', 'array');
  const n = present(scan, 'n');
  if (n !== undefined && readWhole(body, n, 'n', 1, 128) !== 1) {
    throw new CallError('n: must be 1; ask again for another answer');
  }
  const limits = ['max_completion_tokens', 'max_tokens'].flatMap((name) => {
    const member = present(scan, name);
    return member === undefined ? [] : [readWhole(body, member, name, 0, Number.MAX_SAFE_INTEGER)];
  });
  return limits.length === 0 ? undefined : Math.max(...limits);
}

function checkEmbeddings(_body: Buffer, scan: BodyScan): undefined {
  requireField(scan, 'input', 'string', 'array');
}

function checkResponses(body: Buffer, scan: BodyScan): number | undefined {
  for (const name of STATEFUL) {
    if (present(scan, name) !== undefined) {
      throw new CallError(`${name}: is not supported; send the whole conversation in input`);
    }
  }
  if (isTrue(body, scan, 'background')) throw new CallError('background: is not supported');
  requireField(scan, 'input', 'string', 'array');
  const max = present(scan, 'max_output_tokens');
  return max === undefined
    ? undefined
    : readWhole(body, max, 'max_output_tokens', 0, Number.MAX_SAFE_INTEGER);
}

/** OpenAI's own clients send null for what was not set. */
function present(scan: BodyScan, name: string) {
  const member = scan.members.get(name);
  return member?.kind === 'null' ? undefined : member;
}

function isTrue(body: Buffer, scan: BodyScan, name: string): boolean {
  const member = present(scan, name);
  if (member === undefined) return false;
  return readValue(body, checkKind(member, name, ['boolean']).span, name) === true;
}
