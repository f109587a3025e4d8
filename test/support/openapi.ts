import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { readFileSync } from 'node:fs';

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

export interface Reference {
  readonly $ref: string;
}
export interface Response {
  readonly description: string;
  readonly headers?: Readonly<Record<string, { readonly required?: boolean } | Reference>>;
  readonly content?: Readonly<Record<string, { readonly schema?: object }>>;
}
export interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly description?: string;
  readonly schema?: object;
}
export interface Operation {
  readonly operationId: string;
  readonly summary?: string;
  readonly tags?: readonly string[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema?: object }>> };
  readonly responses: Readonly<Record<string, Response | Reference>>;
  readonly security?: readonly Readonly<Record<string, readonly string[]>>[];
}
export interface ApiDocument {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: Readonly<Record<string, Readonly<Record<string, Json>>>>;
}

/** The document as it is committed, and served. */
export const apiDocument = JSON.parse(
  readFileSync(new URL('../../openapi.json', import.meta.url), 'utf8'),
) as ApiDocument;

export interface Answer {
  readonly method: string;
  /** As in the request line, query and all. */
  readonly path: string;
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, unknown>>;
  /** Undefined: not looked at. */
  readonly body?: string | undefined;
}

/**
 * @throws Error when the route, the status, a header, the media type or the body is not as documented. A property
 * that is not documented is one too many, wherever the document does not say that there may be more.
 */
export function checkAnswer(answer: Answer): void {
  const problem = problemOf(answer);
  if (problem === undefined) return;
  const { method, path, status, body = '' } = answer;
  throw new Error(
    `Not as in openapi.json: ${method} ${path} answered ${status}: ${problem}\n${body.slice(0, 1_000)}`,
  );
}

interface Route {
  readonly pattern: RegExp;
  readonly path: string;
  readonly operations: Readonly<Record<string, Operation>>;
}

/** The most literal first: `/models/{model}:countTokens` before `/models/{model}`. */
const routes: readonly Route[] = Object.entries(apiDocument.paths)
  .map(([path, operations]) => ({ pattern: patternOf(path), path, operations }))
  .sort((a, b) => literal(b.path).length - literal(a.path).length);

function literal(path: string): string {
  return path.replace(/\{[^}]*\}/g, '');
}

function patternOf(path: string): RegExp {
  const pieces = path.split(/\{[^}]*\}/).map((piece) => piece.replace(/[.*+?^$()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${pieces.join('[^/]+')}$`);
}

const ID = 'https://relay.example/openapi.json';
const ajv = new Ajv2020({ strict: false, allErrors: true });
addFormats.default(ajv);
ajv.addSchema(closed(apiDocument as unknown as Json) as object, ID);
const validators = new Map<string, ValidateFunction>();

/** What an address that is not in the document answers: nobody's problem, or the 404 of a door. */
const NOBODYS = ['ProblemDto', 'AnthropicError', 'GeminiError', 'OpenAiError', 'AwsError'];

function problemOf({ method, path, status, headers, body }: Answer): string | undefined {
  const found = find(method, path);
  if (found === undefined) return unknownRoute(path, status, body);
  const { operation, pointer } = found;
  const code = operation.responses[status] === undefined ? 'default' : String(status);
  const told = operation.responses[code];
  if (told === undefined) return 'the status is not documented';
  const at = '$ref' in told ? told.$ref.slice(1) : `${pointer}/responses/${code}`;
  const response = '$ref' in told ? (look(at) as unknown as Response) : told;
  const missing = Object.entries(response.headers ?? {})
    .filter(([, header]) => ('$ref' in header ? look(header.$ref.slice(1)) : header)['required'] === true)
    .map(([name]) => name)
    .filter((name) => headers[name] === undefined);
  if (missing.length > 0) return `without ${missing.join(', ')}`;
  return contentProblem(response, at, headers['content-type'], method === 'HEAD' ? undefined : body);
}

/** The operation that the document has for a request, undefined = none. */
export function operationFor(method: string, path: string): Operation | undefined {
  return find(method, path)?.operation;
}

function find(method: string, path: string): { operation: Operation; pointer: string } | undefined {
  // A router takes the colon before a verb in either spelling.
  const [plain = ''] = path.split('?');
  const spelled = plain.replace(/%3a/gi, ':');
  for (const route of routes.filter(({ pattern }) => pattern.test(spelled))) {
    const verbs = method === 'HEAD' ? ['head', 'get'] : [method.toLowerCase()];
    for (const verb of verbs) {
      const operation = route.operations[verb];
      if (operation !== undefined) return { operation, pointer: `/paths/${escaped(route.path)}/${verb}` };
    }
  }
  return undefined;
}

function unknownRoute(path: string, status: number, body: string | undefined): string | undefined {
  // Scripts and styles of the page.
  if (path.startsWith('/docs/')) return undefined;
  // The door or its guard may say no before anybody asks what there is behind it.
  if (![400, 401, 403, 404].includes(status)) return 'the route is not documented';
  if (status === 401 && !/^\s*\{/.test(body ?? '')) return undefined;
  if (body === undefined || body === '') return undefined;
  const parsed = parse(body);
  const fits = NOBODYS.some((name) => validator(`/components/schemas/${name}`)(parsed));
  return fits ? undefined : 'the route is not documented, and the answer is no error that is';
}

function contentProblem(
  { content }: Response,
  at: string,
  type: unknown,
  body: string | undefined,
): string | undefined {
  if (content === undefined) return body ? 'a body is not documented' : undefined;
  const media = String(type).split(';')[0]?.trim().toLowerCase() ?? '';
  const told = content[media];
  if (told === undefined) return `the media type ${String(type)} is not documented`;
  if (told.schema === undefined || body === undefined) return undefined;
  const validate = validator(`${at}/content/${escaped(media)}/schema`);
  const value = /\bjson$/.test(media) ? parse(body) : body;
  if (value === undefined) return 'the body is not JSON';
  return validate(value) ? undefined : ajv.errorsText(validate.errors, { dataVar: 'body' });
}

function validator(pointer: string): ValidateFunction {
  let validate = validators.get(pointer);
  if (validate === undefined) {
    validate = ajv.compile({ $ref: `${ID}#${encodeURI(pointer)}` });
    validators.set(pointer, validate);
  }
  return validate;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What a JSON pointer points at in the document. */
export function look(pointer: string): Readonly<Record<string, Json>> {
  const parts = pointer.split('/').slice(1);
  let at: Json | undefined = apiDocument as unknown as Json;
  for (const part of parts.map((one) => one.replace(/~1/g, '/').replace(/~0/g, '~'))) {
    at = (at as Record<string, Json> | undefined)?.[part];
  }
  if (at === undefined) throw new Error(`openapi.json has nothing at ${pointer}`);
  return at as Record<string, Json>;
}

function escaped(part: string): string {
  return part.replace(/~/g, '~0').replace(/\//g, '~1');
}

/** Objects have the properties that they are said to have, and no other. */
function closed(value: Json): Json {
  if (Array.isArray(value)) return value.map(closed);
  if (typeof value !== 'object' || value === null) return value;
  const inner = Object.fromEntries(Object.entries(value).map(([name, part]) => [name, closed(part)]));
  const types = [value['type']].flat();
  const shut = types.includes('object') && value['additionalProperties'] === undefined;
  return shut ? { ...inner, additionalProperties: false } : inner;
}
