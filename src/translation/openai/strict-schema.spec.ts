import { fitsStrict } from './strict-schema.ts';

/** https://platform.openai.com/docs/guides/structured-outputs, "Supported schemas" and "Some type-specific keywords are not yet supported". */
const closed = (properties: object, more: object = {}) => ({
  type: 'object',
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
  ...more,
});

it.each<[string, unknown]>([
  ['a closed object', closed({ a: { type: 'string' } })],
  ['one inside of another', closed({ a: closed({ b: { type: ['integer', 'null'] } }) })],
  ['a list of them', closed({ a: { type: 'array', items: closed({}) } })],
  ['a choice', closed({ a: { anyOf: [{ type: 'string' }, closed({})] } })],
  ['definitions', closed({ a: { $ref: '#/$defs/b' } }, { $defs: { b: closed({}) } })],
])('strict mode takes %s', (_what, schema) => {
  expect(fitsStrict(schema)).toBe(true);
});

it.each<[string, unknown]>([
  ['an open object', { type: 'object', properties: {} }],
  ['an optional property', closed({ a: {} }, { required: [] })],
  ['an open object inside', closed({ a: { type: 'object', properties: {} } })],
  ['one in a list', closed({ a: { type: 'array', items: { properties: {} } } })],
  ['one in a choice', closed({ a: { anyOf: [{ type: 'object' }] } })],
  ['one in a definition', closed({}, { $defs: { b: { type: 'object' } } })],
  ['allOf', closed({ a: { allOf: [{ type: 'string' }] } })],
  ['anything', closed({ a: true })],
])('strict mode does not take %s', (_what, schema) => {
  expect(fitsStrict(schema)).toBe(false);
});
