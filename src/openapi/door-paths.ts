import type { OpenAPIObject } from '@nestjs/swagger';
import { KEY_SECURITY } from '../keys/key-security.ts';
import { answerHeaders, callRefusals, ownRefusals, type Speaker } from './door-answers.ts';

/**
 * The doors speak the vendors' own formats, so their bodies are described by the vendors; here stand the routes, the
 * credential, the headers of every relay answer and the statuses that are ours.
 */

type Paths = OpenAPIObject['paths'];
type PathItem = Paths[string];
type Operation = NonNullable<PathItem['get']>;
type Parameter = Extract<NonNullable<Operation['parameters']>[number], { name: string }>;

const anyDocument = { type: 'object', additionalProperties: true };
const vendorsDocument = { schema: anyDocument };
/** A stream that is not asked for as events is one array, told element by element. */
const vendorsDocuments = { schema: { type: 'array', items: anyDocument } };

const query = (name: string, description: string, type = 'string'): Parameter => ({
  name,
  in: 'query',
  required: false,
  description,
  schema: { type },
});
const header = (name: string, required: boolean, description: string): Parameter => ({
  name,
  in: 'header',
  required,
  description,
  schema: { type: 'string' },
});
const named = (description: string): Parameter => ({
  name: 'model',
  in: 'path',
  required: true,
  description,
  schema: { type: 'string' },
});

type Content = Readonly<
  Record<string, { readonly schema?: typeof anyDocument | typeof vendorsDocuments.schema }>
>;

interface Told {
  readonly id: string;
  readonly summary: string;
  readonly speaker: Speaker;
  readonly parameters?: readonly Parameter[];
}

/** A call that goes upstream. */
function call(told: Told, content: Content): PathItem {
  return {
    post: {
      ...operation(told),
      requestBody: {
        description: "As the vendor's API describes it",
        required: true,
        content: { 'application/json': vendorsDocument },
      },
      responses: {
        '200': {
          description: "The vendor's answer, byte for byte",
          headers: answerHeaders(told.speaker),
          content,
        },
        ...callRefusals(told.speaker),
      },
    },
  };
}

/** A document of the relay's own. */
function own(told: Told): PathItem {
  return {
    get: {
      ...operation(told),
      responses: {
        '200': {
          description: "The relay's own answer, in the shape of the vendor's",
          headers: answerHeaders(told.speaker),
          content: { 'application/json': vendorsDocument },
        },
        ...ownRefusals(told.speaker),
      },
    },
  };
}

function operation({ id, summary, speaker, parameters = [] }: Told): Omit<Operation, 'responses'> {
  return {
    operationId: id,
    summary,
    tags: [speaker === 'root' ? 'models' : speaker],
    security: KEY_SECURITY,
    ...(parameters.length === 0 ? {} : { parameters: [...parameters] }),
  };
}

const JSON_ONLY = { 'application/json': vendorsDocument };
const JSON_OR_SSE = { 'application/json': vendorsDocument, 'text/event-stream': {} };
const ARRAY_OR_SSE = { 'application/json': vendorsDocuments, 'text/event-stream': {} };
const EVENT_STREAM = { 'application/vnd.amazon.eventstream': {} };
const MODEL_ID = named('A model id, an inference profile or an ARN, percent-encoded as one segment');
const ID = named('As the model list tells it');
const LIST = 'Models this key may call';

const beta = query('beta', 'Sent by the beta namespaces of the SDKs; changes nothing', 'boolean');
const version = header('anthropic-version', true, "Anthropic's, such as `2023-06-01`");
const betas = header('anthropic-beta', false, 'Names of betas, separated by commas');
const anthropicCall = [version, betas, beta];
const anthropicPage = [
  query('limit', 'Models on a page: 1 to 1,000; 20 unless told', 'integer'),
  query('after_id', 'The page after this model'),
  query('before_id', 'The page before this model'),
];
const shape = header('anthropic-version', false, "Given: the answer has Anthropic's shape");
const geminiPage = [
  query('pageSize', 'Models on a page; 50 unless told, at most 1,000', 'integer'),
  query('pageToken', '`nextPageToken` of the page before'),
];

function claudePaths(prefix: string, suffix: string): Paths {
  const speaker = 'claude';
  const hello = (method: string): Operation => ({
    operationId: `${method}Hello${suffix}`,
    summary: 'Claude Code asks for it at start, without a key',
    tags: [speaker],
    security: [],
    responses: { '200': { description: 'Nothing', headers: answerHeaders(speaker) } },
  });
  return {
    [`${prefix}/v1/messages`]: call(
      { id: `createMessage${suffix}`, summary: 'Anthropic Messages', speaker, parameters: anthropicCall },
      JSON_OR_SSE,
    ),
    [`${prefix}/v1/messages/count_tokens`]: call(
      { id: `countMessageTokens${suffix}`, summary: 'Count tokens', speaker, parameters: anthropicCall },
      JSON_ONLY,
    ),
    [`${prefix}/api/hello`]: { get: hello('get'), head: hello('head') },
  };
}

function geminiModelPaths(collection: string, suffix: string): Paths {
  const speaker = 'gemini';
  const model = `${collection}/{model}`;
  const door = (verb: string, content: Content, ...more: readonly Parameter[]): Paths => ({
    [`${model}:${verb}`]: call(
      { id: `${verb}${suffix}`, summary: `Gemini ${verb}`, speaker, parameters: [ID, ...more] },
      content,
    ),
  });
  return {
    ...door('generateContent', JSON_ONLY),
    ...door('streamGenerateContent', ARRAY_OR_SSE, query('alt', '`sse` for events; else one JSON array')),
    ...door('countTokens', JSON_ONLY),
    ...door('embedContent', JSON_ONLY),
    ...door('batchEmbedContents', JSON_ONLY),
    [model]: own({ id: `getGeminiModel${suffix}`, summary: 'One model', speaker, parameters: [ID] }),
  };
}

function geminiPaths(prefix: string, suffix: string): Paths {
  return {
    ...geminiModelPaths(`${prefix}/models`, suffix),
    ...geminiModelPaths(`${prefix}/tunedModels`, `Tuned${suffix}`),
    [`${prefix}/models`]: own({
      id: `listGeminiModels${suffix}`,
      summary: LIST,
      speaker: 'gemini',
      parameters: geminiPage,
    }),
  };
}

function openaiPaths(prefix: string, suffix: string): Paths {
  const speaker = 'openai';
  return {
    [`${prefix}/v1/chat/completions`]: call(
      { id: `createChatCompletion${suffix}`, summary: 'OpenAI chat completions', speaker },
      JSON_OR_SSE,
    ),
    [`${prefix}/v1/embeddings`]: call(
      { id: `createEmbedding${suffix}`, summary: 'OpenAI embeddings', speaker },
      JSON_ONLY,
    ),
    [`${prefix}/v1/responses`]: call(
      { id: `createResponse${suffix}`, summary: 'OpenAI responses, nothing kept between them', speaker },
      JSON_OR_SSE,
    ),
  };
}

function bedrockPaths(prefix: string, suffix: string): Paths {
  const speaker = 'bedrock';
  const door = (end: string, id: string, summary: string, content: Content): Paths => ({
    [`${prefix}/model/{model}/${end}`]: call(
      { id: `${id}${suffix}`, summary, speaker, parameters: [MODEL_ID] },
      content,
    ),
  });
  return {
    ...door('invoke', 'invokeModel', 'Bedrock InvokeModel, for Claude', JSON_ONLY),
    ...door(
      'invoke-with-response-stream',
      'invokeModelWithResponseStream',
      'Bedrock InvokeModel as a stream, for Claude',
      EVENT_STREAM,
    ),
    ...door('converse', 'converse', 'Bedrock Converse', JSON_ONLY),
    ...door('converse-stream', 'converseStream', 'Bedrock Converse as a stream', EVENT_STREAM),
    ...door('count-tokens', 'countTokensAtBedrock', 'Bedrock CountTokens', JSON_ONLY),
  };
}

export const doorPaths: Paths = {
  ...claudePaths('', ''),
  ...claudePaths('/claude', 'UnderPrefix'),
  '/v1/models': own({
    id: 'listModels',
    summary: `${LIST}; Anthropic-shaped with anthropic-version, else OpenAI-shaped and without pages`,
    speaker: 'root',
    parameters: [shape, ...anthropicPage],
  }),
  '/v1/models/{model}': own({
    id: 'getModel',
    summary: 'One model, in the shape of the list',
    speaker: 'root',
    parameters: [shape, ID],
  }),
  '/claude/v1/models': own({
    id: 'listClaudeModels',
    summary: LIST,
    speaker: 'claude',
    parameters: anthropicPage,
  }),
  '/claude/v1/models/{model}': own({
    id: 'getClaudeModel',
    summary: 'One model',
    speaker: 'claude',
    parameters: [ID],
  }),
  ...openaiPaths('', ''),
  ...openaiPaths('/openai', 'UnderPrefix'),
  '/openai/v1/models': own({ id: 'listOpenAiModels', summary: LIST, speaker: 'openai' }),
  '/openai/v1/models/{model}': own({
    id: 'getOpenAiModel',
    summary: 'One model',
    speaker: 'openai',
    parameters: [ID],
  }),
  ...bedrockPaths('', ''),
  ...bedrockPaths('/bedrock', 'UnderPrefix'),
  ...geminiPaths('/v1beta', ''),
  ...geminiPaths('/gemini/v1beta', 'UnderPrefix'),
  ...geminiPaths('/gemini/v1', 'UnderPrefixV1'),
};
