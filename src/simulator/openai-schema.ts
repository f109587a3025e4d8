import { isRecord, listOf } from './exchange.ts';

/**
 * What strict mode refuses about a schema: every object closed, every property required (platform docs, "Structured
 * Outputs", supported schemas).
 */
export function strictFault(schema: unknown, path: readonly string[]): string | undefined {
  if (!isRecord(schema)) return undefined;
  const context = `In context=(${path.map((one) => `'${one}'`).join(', ')}${path.length === 1 ? ',' : ''})`;
  const properties = schema['properties'];
  if (schema['type'] === 'object' || isRecord(properties)) {
    if (schema['additionalProperties'] !== false) {
      return `${context}, 'additionalProperties' is required to be supplied and to be false.`;
    }
    const required = listOf(schema['required']);
    const loose = Object.keys(isRecord(properties) ? properties : {}).find(
      (name) => !required.includes(name),
    );
    if (loose !== undefined) {
      return `${context}, 'required' is required to be supplied and to be an array including every key in properties. Missing '${loose}'.`;
    }
  }
  const inner: [string[], unknown][] = [
    ...Object.entries(isRecord(properties) ? properties : {}).map(([name, one]): [string[], unknown] => [
      ['properties', name],
      one,
    ]),
    ...Object.entries(isRecord(schema['$defs']) ? schema['$defs'] : {}).map(
      ([name, one]): [string[], unknown] => [['$defs', name], one],
    ),
    ...listOf(schema['anyOf']).map((one, n): [string[], unknown] => [['anyOf', String(n)], one]),
    [['items'], schema['items']],
  ];
  for (const [step, one] of inner) {
    const wrong = strictFault(one, [...path, ...step]);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}
