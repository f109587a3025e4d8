import type { OpenAPIObject } from '@nestjs/swagger';

type Paths = OpenAPIObject['paths'];
type Operation = NonNullable<Paths[string]['get']>;

/**
 * The doors speak the vendors' own formats, so their bodies are described by the vendors; here stand the routes, the
 * credential, the headers of every relay answer and the statuses that are ours.
 */
const RELAY_HEADERS = {
  'x-relay-request-id': { description: "The ledger's id (uuidv7)", schema: { type: 'string' } },
  'x-relay-client-request-id': { description: "The client's own id, echoed", schema: { type: 'string' } },
  'x-relay-edits': { description: 'Permitted edits made, or `none`', schema: { type: 'string' } },
  'x-relay-attempts': { description: 'Upstream attempts begun', schema: { type: 'string' } },
} as const;

const STATUSES: Readonly<Record<string, string>> = {
  '400': 'The body, the model name or a parameter is not valid; names the field',
  '401': 'No key, a key that is not valid, or two different keys',
  '403': 'The door is not in the scopes of the key',
  '404': 'The model is not known, or not allowed for this key',
  '408': 'The request body came too slowly',
  '413': 'The body is larger than RELAY_MAX_BODY_BYTES',
  '415': 'The body is compressed',
  '429': 'Places of the key or of the accounts are taken, or all accounts are cooling; see `retry-after`',
  '502': 'The upstream cannot be reached, or what it answered is unusable',
  '503': 'Accounts need attention, or admission is not possible just now',
  '504': 'The upstream did not answer in time',
};

type Content = Record<string, { schema?: { type: string; additionalProperties: boolean } }>;

const anyObject: Content[string] = { schema: { type: 'object', additionalProperties: true } };
const answerHeaders = Object.fromEntries(
  Object.keys(RELAY_HEADERS).map((name) => [name, { $ref: `#/components/headers/${name}` }]),
);

/** What the operations of the doors refer to, so that each status is described once. */
export const doorComponents = {
  headers: RELAY_HEADERS,
  responses: Object.fromEntries(
    Object.entries(STATUSES).map(([status, description]) => [
      `Door${status}`,
      { description, headers: answerHeaders, content: { 'application/json': anyObject } },
    ]),
  ),
} as unknown as NonNullable<OpenAPIObject['components']>;

function contentOf(media: readonly string[]): Content {
  return Object.fromEntries(media.map((type) => [type, type === 'application/json' ? anyObject : {}]));
}

function operation(id: string, summary: string, door: string, media: readonly string[]): Operation {
  const errors: [string, { $ref: string }][] = Object.keys(STATUSES).map((status) => [
    status,
    { $ref: `#/components/responses/Door${status}` },
  ]);
  return {
    operationId: id,
    summary,
    tags: [door],
    security: [{ key: [] }],
    responses: {
      '200': {
        description: "The vendor's answer, byte for byte",
        headers: answerHeaders,
        content: contentOf(media),
      },
      ...Object.fromEntries(errors),
    },
  };
}

const body = {
  required: true,
  content: { 'application/json': anyObject },
} as Operation['requestBody'];

const modelParameter = { name: 'model', in: 'path', required: true, schema: { type: 'string' } } as const;

function post(
  id: string,
  summary: string,
  dialect: string,
  media: readonly string[],
  named = false,
): Paths[string] {
  const parameters = named ? { parameters: [modelParameter] } : {};
  return { post: { ...operation(id, summary, dialect, media), ...parameters, requestBody: body } };
}

function get(id: string, summary: string, dialect: string, named = false): Paths[string] {
  const parameters = named ? { parameters: [modelParameter] } : {};
  return { get: { ...operation(id, summary, dialect, ['application/json']), ...parameters } };
}

const JSON_ONLY = ['application/json'];
const JSON_OR_SSE = ['application/json', 'text/event-stream'];

function claudePaths(prefix: string, suffix: string): Paths {
  return {
    [`${prefix}/v1/messages`]: post(`createMessage${suffix}`, 'Anthropic Messages', 'claude', JSON_OR_SSE),
    [`${prefix}/v1/messages/count_tokens`]: post(`countTokens${suffix}`, 'Count tokens', 'claude', JSON_ONLY),
  };
}

function geminiPaths(prefix: string, suffix: string): Paths {
  const model = `${prefix}/models/{model}`;
  const door = (verb: string, media: readonly string[]): Paths => ({
    [`${model}:${verb}`]: post(`${verb}${suffix}`, `Gemini ${verb}`, 'gemini', media, true),
  });
  return {
    ...door('generateContent', JSON_ONLY),
    ...door('streamGenerateContent', JSON_OR_SSE),
    ...door('countTokens', JSON_ONLY),
    ...door('embedContent', JSON_ONLY),
    ...door('batchEmbedContents', JSON_ONLY),
    [`${prefix}/models`]: get(`listGeminiModels${suffix}`, 'Models this key may call', 'gemini'),
    [model]: get(`getGeminiModel${suffix}`, 'One model', 'gemini', true),
  };
}

export const doorPaths: Paths = {
  ...claudePaths('', ''),
  ...claudePaths('/claude', 'UnderPrefix'),
  '/v1/models': get(
    'listModels',
    'Models this key may call; Anthropic-shaped with anthropic-version, else OpenAI-shaped',
    'claude',
  ),
  '/v1/models/{model}': get('getModel', 'One model, in the shape of the list', 'claude', true),
  '/claude/v1/models': get('listClaudeModels', 'Models this key may call', 'claude'),
  '/claude/v1/models/{model}': get('getClaudeModel', 'One model', 'claude', true),
  ...geminiPaths('/v1beta', ''),
  ...geminiPaths('/gemini/v1beta', 'UnderPrefix'),
  ...geminiPaths('/gemini/v1', 'UnderPrefixV1'),
};
