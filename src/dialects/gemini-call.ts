import type { IncomingHttpHeaders } from 'node:http';
import { checkKind, readString, readWhole, requireField } from './body-fields.ts';
import type { PrefixShape } from './cacheable-prefix.ts';
import { allowedHeaders, allowedQuery } from './call-headers.ts';
import { type Call, CallError, type Framing, type Operation, type Session, type Span } from './dialect.ts';
import { HeaderList } from './header-list.ts';
import { compilePaths } from './json-paths.ts';
import { type BodyScan, type Found, scanBody } from './json-scan.ts';
import { checkModelName } from './model-name.ts';
import { sessionOf } from './session.ts';

export interface GeminiInput {
  readonly version: 'v1' | 'v1beta';
  /** From the path, decoded once: `gemini-2.5-pro`, `tunedModels/x`. */
  readonly model: string;
  readonly verb: string;
  readonly headers: IncomingHttpHeaders;
  readonly query: URLSearchParams;
  readonly body: Buffer;
}

const HEADERS = new HeaderList(
  'accept',
  'content-type',
  'user-agent',
  'x-goog-api-client',
  'x-server-timeout',
);

const OPERATIONS: Readonly<Record<string, Operation>> = {
  generateContent: 'generate',
  streamGenerateContent: 'generate',
  countTokens: 'count',
  embedContent: 'embed',
  batchEmbedContents: 'batch-embed',
};

/** camelCase or snake_case: Google's servers read both as one field, so giving both is giving it twice. */
const WATCHED = compilePaths([
  'model',
  'generateContentRequest|generate_content_request.model',
  'requests[].model',
  'generationConfig|generation_config',
  'generationConfig|generation_config.maxOutputTokens|max_output_tokens',
  'generationConfig|generation_config.candidateCount|candidate_count',
]);

/** Implicit caching goes by a common beginning (docs, "Context caching"). */
const PREFIX_SHAPE: PrefixShape = {
  tools: ['tools'],
  system: ['systemInstruction', 'system_instruction'],
  turns: ['contents'],
  userUnlessSaid: true,
};

const MODEL_PATHS = ['model', 'generateContentRequest.model', 'requests[].model'];
const PREFIX = 'models/';
/** Google's own bound is 8; a hold is reckoned from it. */
const MAX_CANDIDATES = 8;

/**
 * Reads POST /{version}/models/{model}:{verb}. Where the body names a model as well, it must be the path's.
 * @throws CallError (400; 404 for an unknown verb) that names the field.
 */
export async function readGeminiCall(input: GeminiInput): Promise<Call> {
  const { body, verb } = input;
  const operation = Object.hasOwn(OPERATIONS, verb) ? OPERATIONS[verb] : undefined;
  if (!operation) throw new CallError('The method of the path is not known', 'not-found');
  const model = checkModelName(input.model);
  const query = allowedQuery(input.query, ['alt']);
  const framing = framingOf(verb, query);

  const generates = operation === 'generate';
  const scan = await scanBody(body, WATCHED, generates ? PREFIX_SHAPE : undefined);
  checkContent(operation, scan);
  return {
    dialect: 'gemini',
    operation,
    lane: operation === 'count' ? 'count' : 'generate',
    model,
    modelSpans: modelSpans(body, scan, model),
    carries: scan.carries,
    framing,
    ...(generates ? readOutput(body, scan) : { maxOutputTokens: undefined }),
    ...(generates && { session: readSession(input.headers, body, scan) }),
    headers: allowedHeaders(input.headers, HEADERS),
    query,
    body,
  };
}

/**
 * An explicit cache is of one account's project and is the prefix by name; it lives for an hour unless it was made for
 * another time (docs, "Context caching").
 */
function readSession(headers: IncomingHttpHeaders, body: Buffer, scan: BodyScan): Session | undefined {
  const member = scan.members.get('cachedContent') ?? scan.members.get('cached_content');
  const session = sessionOf(headers, body, scan, [{ source: 'prefix', member }]);
  return session && { ...session, forAnHour: member?.kind === 'string' };
}

function framingOf(verb: string, query: string): Framing {
  const streams = verb === 'streamGenerateContent';
  if (query === 'alt=sse') {
    if (streams) return 'sse';
    throw new CallError('alt: sse goes with streamGenerateContent only');
  }
  if (query !== '' && query !== 'alt=json') throw new CallError('alt: must be sse or json');
  return streams ? 'json-array' : 'json';
}

function checkContent(operation: Operation, scan: BodyScan): void {
  if (operation === 'generate') requireField(scan, 'contents', 'array', 'object');
  if (operation === 'embed') requireField(scan, 'content', 'object', 'array');
  if (operation === 'batch-embed') requireField(scan, 'requests', 'array');
  if (operation === 'count' && !scan.members.has('contents')) {
    const nested = ['generateContentRequest', 'generate_content_request'].find((name) =>
      scan.members.has(name),
    );
    if (nested === undefined) throw new CallError('contents: is required');
    requireField(scan, nested, 'object');
  }
}

function modelSpans(body: Buffer, scan: BodyScan, model: string): Span[] {
  const named = scan.found.filter(({ path }) => MODEL_PATHS.includes(path));
  for (const found of named) {
    const name = readString(body, found, found.path);
    if (name !== model && name !== PREFIX + model) {
      throw new CallError(`${found.path}: must be the model of the path, ${PREFIX}${model}`);
    }
  }
  return named.map(({ span }) => span);
}

/** The bound is of all candidates together: each may grow to what is asked for. */
function readOutput(body: Buffer, scan: BodyScan): Pick<Call, 'maxOutputTokens' | 'answers'> {
  const config = watched(scan, 'generationConfig');
  if (config) checkKind(config, 'generationConfig', ['object', 'null']);
  const max = watched(scan, 'generationConfig.maxOutputTokens');
  const count = watched(scan, 'generationConfig.candidateCount');
  const answers = count ? readWhole(body, count, 'generationConfig.candidateCount', 1, MAX_CANDIDATES) : 1;
  const most = Math.floor(Number.MAX_SAFE_INTEGER / MAX_CANDIDATES);
  const each = max && readWhole(body, max, 'generationConfig.maxOutputTokens', 0, most);
  return { maxOutputTokens: each && answers * each, ...(answers > 1 && { answers }) };
}

function watched(scan: BodyScan, path: string): Found | undefined {
  return scan.found.find((found) => found.path === path && found.kind !== 'null');
}
