import { CallError } from '../../dialects/dialect.ts';
import { ownEntry } from '../../dialects/own-entry.ts';
import type { JsonObject } from '../fields.ts';

/** `Type` of @google/genai 2.32; NULL is JSON Schema's as well. */
const TYPES = new Set(['string', 'number', 'integer', 'boolean', 'array', 'object', 'null']);

/** 64-bit numbers come as strings in the JSON form of protocol buffers. */
const COUNTS = new Set([
  'minItems',
  'maxItems',
  'minLength',
  'maxLength',
  'minProperties',
  'maxProperties',
  'minimum',
  'maximum',
]);

/** Spelled in snake_case by some clients; every other name of a schema is one word. */
const SPELLINGS: Readonly<Record<string, string>> = {
  any_of: 'anyOf',
  min_items: 'minItems',
  max_items: 'maxItems',
  min_length: 'minLength',
  max_length: 'maxLength',
  min_properties: 'minProperties',
  max_properties: 'maxProperties',
  property_ordering: 'propertyOrdering',
  additional_properties: 'additionalProperties',
};

/**
 * Gemini's `Schema`, a part of OpenAPI 3.0, as JSON Schema: types in lower case, `nullable` as a type beside the other,
 * `example` among `examples`. `propertyOrdering` becomes the order of the properties, which is what it asks for.
 * @throws CallError that names the place
 */
export function jsonSchemaOf(schema: unknown, at: string): JsonObject {
  const source = objectAt(schema, at);
  // Without a prototype, so that a name like `__proto__` stays a name.
  const result = Object.create(null) as Record<string, unknown>;
  let nullable = false;
  let ordering: unknown;
  for (const [written, value] of Object.entries(source)) {
    const name = ownEntry(SPELLINGS, written) ?? written;
    const here = `${at}.${written}`;
    if (value === null && name !== 'default' && name !== 'example') continue;
    switch (name) {
      case 'type':
        if (typeOf(value, here) !== undefined) result['type'] = typeOf(value, here);
        break;
      case 'nullable':
        nullable = value === true;
        break;
      case 'example':
        result['examples'] = [value];
        break;
      case 'propertyOrdering':
        ordering = value;
        break;
      case 'items':
        result['items'] = jsonSchemaOf(value, here);
        break;
      case 'additionalProperties':
        result[name] = typeof value === 'boolean' ? value : jsonSchemaOf(value, here);
        break;
      case 'anyOf':
        if (!Array.isArray(value)) throw new CallError(`${here}: must be a list`);
        result['anyOf'] = value.map((one, i) => jsonSchemaOf(one, `${here}[${i}]`));
        break;
      case 'properties':
        result['properties'] = Object.fromEntries(
          Object.entries(objectAt(value, here)).map(([property, one]) => [
            property,
            jsonSchemaOf(one, `${here}.${property}`),
          ]),
        );
        break;
      default:
        result[name] =
          COUNTS.has(name) && typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
    }
  }
  if (nullable) allowNull(result);
  if (Array.isArray(ordering)) order(result, ordering);
  return result;
}

function typeOf(value: unknown, at: string): string | undefined {
  const type = typeof value === 'string' ? value.toLowerCase() : '';
  if (TYPES.has(type)) return type;
  if (type === 'type_unspecified') return undefined;
  throw new CallError(`${at}: is no type of a schema`);
}

function allowNull(schema: Record<string, unknown>): void {
  const { type } = schema;
  if (typeof type === 'string' && type !== 'null') schema['type'] = [type, 'null'];
  else if (Array.isArray(schema['anyOf']))
    schema['anyOf'] = [...(schema['anyOf'] as unknown[]), { type: 'null' }];
  const values = schema['enum'];
  if (Array.isArray(values) && !values.includes(null)) schema['enum'] = [...(values as unknown[]), null];
}

function order(schema: Record<string, unknown>, ordering: readonly unknown[]): void {
  const properties = Object.entries((schema['properties'] ?? {}) as JsonObject);
  const places = new Map([...ordering.entries()].reverse().map(([place, name]) => [name, place]));
  const place = (name: string): number => places.get(name) ?? ordering.length;
  if (properties.length === 0) return;
  schema['properties'] = Object.fromEntries(properties.sort(([a], [b]) => place(a) - place(b)));
}

function objectAt(value: unknown, at: string): JsonObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw new CallError(`${at}: must be an object`);
}
