import type { OpenAPIObject } from '@nestjs/swagger';

type Components = NonNullable<OpenAPIObject['components']>;
type Responses = Record<string, { readonly $ref: string }>;
type Schema = Readonly<Record<string, unknown>>;

/** Whose shape an error has; `root` is either of the two that share `/v1`. */
export type Speaker = 'claude' | 'gemini' | 'openai' | 'bedrock' | 'root';

const text = { type: 'string' };

/** The headers of every relay answer. */
const HEADERS = {
  'x-relay-request-id': {
    description: "The ledger's id (uuidv7); without an attempt (`x-relay-attempts: 0`) there is no row of it",
    required: true,
    schema: text,
  },
  'x-relay-client-request-id': { description: "The client's own id, echoed", schema: text },
  'x-relay-edits': { description: 'Permitted edits made, or `none`', required: true, schema: text },
  'x-relay-attempts': { description: 'Upstream attempts begun', required: true, schema: text },
};
/** Beside them on every answer of the bedrock door. */
const AWS_HEADERS = {
  'x-amzn-requestid': {
    description: "AWS' id of the request, or the relay's own",
    required: true,
    schema: text,
  },
};
const AWS_ERROR_HEADERS = {
  'x-amzn-errortype': { description: "The exception's name", required: true, schema: text },
};

const STATUSES: Readonly<Record<string, string>> = {
  '400': 'The body, the model name or a parameter is not valid; names the field',
  '401': 'No key, a key that is not valid, or two different keys',
  '403': 'The door is not in the scopes of the key',
  '404': 'The model is not known, or not allowed for this key',
  '408': 'The request body came too slowly',
  '413': 'The body is larger than RELAY_MAX_BODY_BYTES',
  '415': 'The body is compressed',
  '429': 'Places of the key or of the accounts are taken, or all accounts are cooling; see `retry-after`',
  '500': 'The relay failed',
  '502': 'The upstream cannot be reached, or what it answered is unusable',
  '503': 'Accounts need attention, or admission is not possible just now',
  '504': 'The upstream did not answer in time',
};
/** What the relay answers by itself, without a body to read or an account to ask. */
const OWN_STATUSES = ['400', '401', '403', '404', '500', '503'];

const open = (required: readonly string[], properties: Schema): Schema => ({
  type: 'object',
  required,
  properties,
  additionalProperties: true,
});

/** The vendors' error documents; theirs may say more. */
const ERRORS: Readonly<Record<string, Schema>> = {
  AnthropicError: open(['type', 'error'], {
    type: { const: 'error' },
    error: open(['type', 'message'], { type: text, message: text }),
    request_id: { type: ['string', 'null'] },
  }),
  GeminiError: open(['error'], {
    error: open(['code', 'message', 'status'], {
      code: { type: 'integer' },
      message: text,
      status: text,
      details: { type: 'array', items: open([], {}) },
    }),
  }),
  OpenAiError: open(['error'], {
    error: open(['message', 'type', 'param', 'code'], {
      message: text,
      type: text,
      param: { type: ['string', 'null'] },
      code: { type: ['string', 'null'] },
    }),
  }),
  AwsError: open(['message'], { message: text }),
};

const schemaRef = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });

const SHAPES: Readonly<Record<Speaker, Schema>> = {
  claude: schemaRef('AnthropicError'),
  // A stream that is one array tells its error as an array too.
  gemini: {
    anyOf: [schemaRef('GeminiError'), { type: 'array', minItems: 1, items: schemaRef('GeminiError') }],
  },
  // A compatible server's own refusal passes as it came, and not all of them write OpenAI's.
  openai: { anyOf: [schemaRef('OpenAiError'), open([], {})] },
  bedrock: schemaRef('AwsError'),
  root: { anyOf: [schemaRef('AnthropicError'), schemaRef('OpenAiError')] },
};

const nameOf = (speaker: Speaker, status: string): string =>
  `${speaker.charAt(0).toUpperCase()}${speaker.slice(1)}${status}`;

const headerRefs = (headers: object): Record<string, { $ref: string }> =>
  Object.fromEntries(Object.keys(headers).map((name) => [name, { $ref: `#/components/headers/${name}` }]));

export function answerHeaders(speaker: Speaker): Record<string, { $ref: string }> {
  return headerRefs(speaker === 'bedrock' ? { ...HEADERS, ...AWS_HEADERS } : HEADERS);
}

function errorHeaders(speaker: Speaker): Record<string, { $ref: string }> {
  return { ...answerHeaders(speaker), ...(speaker === 'bedrock' && headerRefs(AWS_ERROR_HEADERS)) };
}

function responsesOf(speaker: Speaker, statuses: readonly string[]): Components['responses'] {
  const content = { 'application/json': { schema: SHAPES[speaker] } };
  return Object.fromEntries(
    statuses.map((status) => [
      nameOf(speaker, status),
      { description: STATUSES[status] ?? '', headers: errorHeaders(speaker), content },
    ]),
  );
}

/** What the operations of the doors refer to, so that each is described once. */
export const doorComponents = {
  headers: { ...HEADERS, ...AWS_HEADERS, ...AWS_ERROR_HEADERS },
  schemas: ERRORS,
  responses: {
    ...responsesOf('claude', Object.keys(STATUSES)),
    ...responsesOf('gemini', Object.keys(STATUSES)),
    ...responsesOf('openai', Object.keys(STATUSES)),
    ...responsesOf('bedrock', Object.keys(STATUSES)),
    ...responsesOf('root', OWN_STATUSES),
    VendorsRefusal: {
      description: "Any other refusal of the vendor's, status and body as they came",
      headers: headerRefs(HEADERS),
      content: { 'application/json': {} },
    },
  },
} as unknown as Components;

const responseRef = (name: string): { $ref: string } => ({ $ref: `#/components/responses/${name}` });

/** The refusals of a route that goes upstream. */
export function callRefusals(speaker: Speaker): Responses {
  const ours = Object.keys(STATUSES).map((status) => [status, responseRef(nameOf(speaker, status))]);
  return { ...(Object.fromEntries(ours) as Responses), default: responseRef('VendorsRefusal') };
}

/** The refusals of a route that the relay answers by itself. */
export function ownRefusals(speaker: Speaker): Responses {
  return Object.fromEntries(OWN_STATUSES.map((status) => [status, responseRef(nameOf(speaker, status))]));
}
