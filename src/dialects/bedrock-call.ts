import type { IncomingHttpHeaders } from 'node:http';
import { checkKind, readString, readWhole, requireField, Spellings } from './body-fields.ts';
import { MESSAGES_PREFIX, messagesSession } from './anthropic-call.ts';
import type { PrefixShape } from './cacheable-prefix.ts';
import { allowedHeaders } from './call-headers.ts';
import { type Call, CallError } from './dialect.ts';
import { HeaderList } from './header-list.ts';
import { compilePaths } from './json-paths.ts';
import { type BodyScan, type Found, scanBody } from './json-scan.ts';
import { checkModelName } from './model-name.ts';
import { sessionOf } from './session.ts';

/** The runtime's operations, as the path names them (AWS Bedrock API reference, "Amazon Bedrock Runtime"). */
export type BedrockOperation =
  'invoke' | 'invoke-with-response-stream' | 'converse' | 'converse-stream' | 'count-tokens';

export interface BedrockInput {
  readonly operation: BedrockOperation;
  /** From the path, decoded once: an id, a profile's id, or an ARN. */
  readonly model: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** What is said beside the body: guardrail, trace, latency, service tier. The client's signature stays behind. */
const HEADERS = new HeaderList('accept', 'content-type', 'user-agent', 'x-amzn-bedrock-*');

/** Whatever is read here, or refused. */
const INVOKED_NAMES = new Spellings('model', 'messages', 'max_tokens', 'anthropic_version');
const CONVERSED_NAMES = new Spellings(
  'messages',
  'inferenceConfig',
  'additionalModelRequestFields',
  'modelId',
);

/** Models named beside the one of the path, as in the Messages API. */
const OTHER_MODELS = ['fallbacks[].model', 'tools[].model'];
const CONVERSE_MODELS = OTHER_MODELS.map((path) => `additionalModelRequestFields.${path}`);
const USER_ID = 'metadata.user_id';
const INVOKED = compilePaths([...OTHER_MODELS, `${USER_ID}+`]);
const CONVERSED = compilePaths(['inferenceConfig', 'inferenceConfig.maxTokens', ...CONVERSE_MODELS]);
/** `cachePoint` is a block of its own (AWS docs, "Prompt caching for faster model inference"). */
const CONVERSE_PREFIX: PrefixShape = {
  tools: ['toolConfig'],
  system: ['system'],
  turns: ['messages'],
  mark: 'cachePoint',
};
const COUNTED_MODELS = CONVERSE_MODELS.map((path) => `input.converse.${path}`);
const COUNTED = compilePaths([
  'input',
  'input.invokeModel',
  'input.invokeModel.body',
  'input.converse',
  ...COUNTED_MODELS,
]);

/**
 * Reads POST /model/{id}/invoke and its kin. InvokeModel is Claude's here: its body is that of the Messages API.
 * @throws CallError (400) that names the field.
 */
export async function readBedrockCall(input: BedrockInput): Promise<Call> {
  const { operation, body } = input;
  const model = checkModelName(input.model);
  const headers = allowedHeaders(input.headers, HEADERS);
  const known = { model, modelSpans: [], headers, query: '', body };
  switch (operation) {
    case 'invoke':
    case 'invoke-with-response-stream': {
      const told = await readInvoke(body, 'generate', input.headers);
      const framing = operation === 'invoke' ? 'json' : 'event-stream';
      return { ...known, ...GENERATE, dialect: 'bedrock-invoke', framing, ...told };
    }
    case 'converse':
    case 'converse-stream': {
      const told = await readConverse(body, input.headers);
      const framing = operation === 'converse' ? 'json' : 'event-stream';
      return { ...known, ...GENERATE, dialect: 'bedrock-converse', framing, ...told };
    }
    case 'count-tokens':
      return { ...known, ...COUNT, ...(await readCount(body)) };
  }
}

const GENERATE = { operation: 'generate', lane: 'generate' } as const;
const COUNT = { operation: 'count', lane: 'count', framing: 'json', maxOutputTokens: undefined } as const;

type Told = Pick<Call, 'maxOutputTokens' | 'otherModels' | 'session' | 'carries'>;

async function readInvoke(
  body: Buffer,
  operation: 'generate' | 'count',
  headers: IncomingHttpHeaders,
): Promise<Told> {
  const scan = await scanBody(body, INVOKED, operation === 'generate' ? MESSAGES_PREFIX : undefined);
  INVOKED_NAMES.refuseOthers(scan);
  // The service refuses it as extraneous; whoever stands in its place must not run another model for it.
  if (scan.members.has('model')) throw new CallError('model: belongs into the path, not into the body');
  if (!scan.members.has('anthropic_version')) {
    throw new CallError('anthropic_version: is required; models other than Claude are asked by Converse');
  }
  requireField(scan, 'anthropic_version', 'string');
  requireField(scan, 'messages', 'array');
  const otherModels = modelsAt(body, scan, OTHER_MODELS);
  const { carries } = scan;
  if (operation === 'count') return { maxOutputTokens: undefined, otherModels, carries };
  const max = requireField(scan, 'max_tokens', 'number');
  return {
    maxOutputTokens: readWhole(body, max, 'max_tokens', 0, Number.MAX_SAFE_INTEGER),
    otherModels,
    carries,
    session: messagesSession(headers, body, scan, USER_ID),
  };
}

/** Only the model is required (`ConverseRequest` in @aws-sdk/client-bedrock-runtime 3.1164): a prompt's ARN holds the rest. */
async function readConverse(body: Buffer, headers: IncomingHttpHeaders): Promise<Told> {
  const scan = await scanBody(body, CONVERSED, CONVERSE_PREFIX);
  CONVERSED_NAMES.refuseOthers(scan);
  if (scan.members.has('modelId')) throw new CallError('modelId: belongs into the path, not into the body');
  const messages = scan.members.get('messages');
  if (messages !== undefined) checkKind(messages, 'messages', ['array', 'null']);
  const config = foundAt(scan, 'inferenceConfig');
  if (config !== undefined) checkKind(config, 'inferenceConfig', ['object', 'null']);
  const max = foundAt(scan, 'inferenceConfig.maxTokens');
  const says = max !== undefined && max.kind !== 'null';
  return {
    maxOutputTokens: says ? readWhole(body, max, max.path, 0, Number.MAX_SAFE_INTEGER) : undefined,
    otherModels: modelsAt(body, scan, CONVERSE_MODELS),
    carries: scan.carries,
    session: sessionOf(headers, body, scan, []),
  };
}

/** `{"input": {"invokeModel": {"body": base64}}}` or `{"input": {"converse": {…}}}` (CountTokens). */
async function readCount(body: Buffer): Promise<Pick<Call, 'dialect' | 'otherModels' | 'carries'>> {
  const scan = await scanBody(body, COUNTED);
  requireField(scan, 'input', 'object');
  const { carries } = scan;
  const [invoke, converse] = [foundAt(scan, 'input.invokeModel'), foundAt(scan, 'input.converse')];
  if ((invoke === undefined) === (converse === undefined)) {
    throw new CallError('input: must have either invokeModel or converse');
  }
  if (converse !== undefined) {
    checkKind(converse, converse.path, ['object']);
    return { dialect: 'bedrock-converse', otherModels: modelsAt(body, scan, COUNTED_MODELS), carries };
  }
  const inner = foundAt(scan, 'input.invokeModel.body');
  if (inner === undefined) throw new CallError('input.invokeModel.body: is required');
  const { start, end } = checkKind(inner, inner.path, ['string']).span;
  const counted = Buffer.from(JSON.parse(body.toString('utf8', start, end)) as string, 'base64');
  try {
    const { otherModels } = await readInvoke(counted, 'count', {});
    return { dialect: 'bedrock-invoke', otherModels, carries };
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    throw new CallError(`${inner.path}: ${error.message}`, error.kind);
  }
}

function foundAt(scan: BodyScan, path: string): Found | undefined {
  return scan.found.find((found) => found.path === path);
}

function modelsAt(body: Buffer, scan: BodyScan, paths: readonly string[]): string[] {
  const named = scan.found.filter(({ path }) => paths.includes(path));
  return [...new Set(named.map((found) => checkModelName(readString(body, found, found.path), found.path)))];
}
