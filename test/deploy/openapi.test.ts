import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import {
  type Answer,
  apiDocument,
  checkAnswer,
  type Json,
  look,
  type Operation,
} from '../support/openapi.ts';

/** The committed document by itself: sound, complete in its words, and strict enough to hold answers against. */

const METHODS = new Set(['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace']);
const OPERATION_FIELDS = new Set(
  'tags summary description operationId parameters requestBody responses security'.split(' '),
);
const PUBLIC = /^\/health\/|\/api\/hello$/;

interface Named {
  readonly name: string;
  readonly path: string;
  readonly operation: Operation;
}

const operations: readonly Named[] = Object.entries(apiDocument.paths).flatMap(([path, item]) =>
  Object.entries(item).map(([method, operation]) => ({
    name: `${method.toUpperCase()} ${path}`,
    path,
    operation,
  })),
);

interface Place {
  readonly at: string;
  readonly value: Readonly<Record<string, Json>>;
}

/** Every object of the document, with its place. */
function* objects(value: Json, at = ''): Generator<Place> {
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value)) yield { at, value };
  for (const [name, part] of Object.entries(value)) yield* objects(part, `${at}/${name}`);
}
const everything = [...objects(apiDocument as unknown as Json)];

const broken = (problem: ({ operation, path }: Named) => boolean): string[] =>
  operations.filter(problem).map(({ name }) => name);
const responsesOf = ({ responses }: Operation) =>
  Object.entries(responses).map(([status, response]) => ({
    status,
    response: '$ref' in response ? look(response.$ref.slice(1)) : response,
  }));

describe('openapi.json', () => {
  it('is OpenAPI 3.1 with operations of every room', () => {
    expect(apiDocument.openapi).toMatch(/^3\.1\.\d+$/);
    expect(apiDocument.info).toMatchObject({ title: 'llm-relay', version: expect.any(String) as unknown });
    const rooms = ['/admin/v1/accounts', '/admin/v1/keys', '/admin/v1/usage', '/me', '/health/ready'];
    const doors = ['/v1/messages', '/v1/models', '/v1beta/models', '/gemini/v1/models', '/claude/v1/models'];
    expect(Object.keys(apiDocument.paths)).toEqual(expect.arrayContaining([...rooms, ...doors]));
  });

  it('has references that resolve', () => {
    const refs = everything.flatMap(({ value }) =>
      typeof value['$ref'] === 'string' ? [value['$ref']] : [],
    );
    expect(refs.length).toBeGreaterThan(100);
    for (const ref of refs) expect(() => look(ref.replace(/^#/, ''))).not.toThrow();
  });

  it('names each operation once, as a client would call it', () => {
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(ids.filter((id, at) => ids.indexOf(id) !== at)).toEqual([]);
    expect(ids.filter((id) => !/^[a-z][A-Za-z0-9]+$/.test(id))).toEqual([]);
  });

  it('is made of operations as the specification knows them', () => {
    const methods = Object.values(apiDocument.paths).flatMap((item) => Object.keys(item));
    expect(methods.filter((method) => !METHODS.has(method))).toEqual([]);
    expect(
      broken(({ operation }) => Object.keys(operation).some((field) => !OPERATION_FIELDS.has(field))),
    ).toEqual([]);
    expect(broken(({ operation }) => !operation.summary || !operation.tags?.length)).toEqual([]);
    const names = Object.values(apiDocument.components).flatMap((kind) => Object.keys(kind));
    expect(names.filter((name) => !/^[A-Za-z0-9._-]+$/.test(name))).toEqual([]);
    expect(everything.filter(({ value }) => 'nullable' in value).map(({ at }) => at)).toEqual([]);
  });

  it('describes every parameter, and each that the path has', () => {
    expect(
      broken(({ operation }) =>
        (operation.parameters ?? []).some(
          (parameter) => !parameter.description || parameter.schema === undefined,
        ),
      ),
    ).toEqual([]);
    const inPath = ({ operation }: Named): string[] =>
      (operation.parameters ?? []).filter((one) => one.in === 'path' && one.required).map((one) => one.name);
    expect(
      broken((named) => {
        const told = [...named.path.matchAll(/\{([^}]+)\}/g)].map(([, name]) => name);
        return told.join() !== inPath(named).join();
      }),
    ).toEqual([]);
  });

  it('describes every answer: one that is good, and each that is not', () => {
    for (const { name, operation } of operations) {
      const answers = responsesOf(operation);
      expect([name, answers.filter(({ response }) => !response.description)]).toEqual([name, []]);
      expect([name, answers.filter(({ status }) => !/^([1-5]\d\d|default)$/.test(status))]).toEqual([
        name,
        [],
      ]);
      expect([name, answers.filter(({ status }) => status.startsWith('2')).length]).toEqual([name, 1]);
    }
  });

  it('says who may call, wherever not everybody may', () => {
    const schemes = Object.keys(apiDocument.components['securitySchemes'] ?? {});
    const open = broken(({ operation }) => !operation.security?.length);
    expect(open.filter((name) => !PUBLIC.test(name.split(' ')[1] ?? ''))).toEqual([]);
    const used = operations.flatMap(({ operation }) => (operation.security ?? []).flatMap(Object.keys));
    expect(new Set(used)).toEqual(new Set(schemes));
    expect(
      broken(({ operation }) => operation.security?.length !== 0 && !('401' in operation.responses)).filter(
        (name) => !PUBLIC.test(name.split(' ')[1] ?? ''),
      ),
    ).toEqual([]);
  });

  it('has JSON schemas of 2020-12, and examples that they accept', () => {
    const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, strictRequired: false });
    addFormats.default(ajv);
    ajv.addVocabulary(['example', 'components', 'paths', 'info', 'openapi', 'tags', 'servers']);
    ajv.addSchema(apiDocument, 'api');
    const names = Object.keys(apiDocument.components['schemas'] ?? {});
    for (const name of names) {
      const schema = `api#/components/schemas/${name}`;
      expect(() => ajv.compile({ $ref: schema })).not.toThrow();
    }
    const examples = everything.filter(({ at, value }) => 'example' in value && /\/schemas\//.test(at));
    expect(examples.length).toBeGreaterThan(10);
    for (const { at, value } of examples) {
      const { example, ...schema } = value;
      const refuse = ajv.compile({ ...schema, components: apiDocument.components });
      expect([at, refuse(example)]).toEqual([at, true]);
    }
  });

  it('describes the properties of every object that is not a map', () => {
    const bare = everything.filter(
      ({ value }) =>
        value['type'] === 'object' &&
        value['additionalProperties'] === undefined &&
        Object.keys((value['properties'] as object | undefined) ?? {}).length === 0,
    );
    expect(bare.map(({ at }) => at)).toEqual([]);
  });
});

describe('holding an answer against the document', () => {
  const id = '0198b0a0-0000-7000-8000-000000000001';
  const group = { id, name: 'pool', accounts: [id], createdAt: '2026-01-01T00:00:00.000Z' };
  const whole = { ...group, updatedAt: '2026-01-02T00:00:00.000Z' };
  const answer = (body: unknown, more: Partial<Answer> = {}): Answer => ({
    method: 'GET',
    path: `/admin/v1/account-groups/${id}?a=b`,
    status: 200,
    headers: { 'content-type': 'application/json; charset=utf-8' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...more,
  });
  const problem = { type: 'about:blank', title: 'Not Found', status: 404, detail: 'There is nothing' };
  const problemHeaders = { 'content-type': 'application/problem+json', 'x-relay-request-id': id };

  it('lets through what is documented', () => {
    checkAnswer(answer(whole));
    checkAnswer(answer(problem, { status: 404, headers: problemHeaders }));
    checkAnswer(answer('', { method: 'DELETE', status: 204, headers: {} }));
    checkAnswer(answer(problem, { path: '/nowhere', status: 404, headers: problemHeaders }));
  });

  it.each<[string, Answer, RegExp]>([
    ['a property too many', answer({ ...whole, secret: 1 }), /additional properties/],
    ['a property too few', answer(group), /updatedAt/],
    ['a time without its zone', answer({ ...whole, createdAt: '2026-01-01T00:00:00' }), /date-time/],
    ['an id that is none', answer({ ...whole, accounts: ['x'] }), /uuid/],
    ['null where there is none', answer({ ...whole, name: null }), /string/],
    ['what is no JSON', answer('{'), /not JSON/],
    ['another media type', answer(whole, { headers: { 'content-type': 'text/html' } }), /media type/],
    ['another status', answer(whole, { status: 201 }), /status is not documented/],
    ['a body with 204', answer('{}', { method: 'DELETE', status: 204, headers: {} }), /a body/],
    [
      'a problem without its id',
      answer(problem, { status: 404, headers: { ...problemHeaders, 'x-relay-request-id': undefined } }),
      /without x-relay-request-id/,
    ],
    ['a route that is not documented', answer(whole, { method: 'PUT' }), /route is not documented/],
    ['a 404 of no known shape', answer('{"error":"no"}', { path: '/nowhere', status: 404 }), /no error/],
  ])('refuses %s', (_case, wrong, why) => {
    expect(() => checkAnswer(wrong)).toThrow(why);
  });
});
