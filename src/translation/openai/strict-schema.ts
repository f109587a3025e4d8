type Json = Readonly<Record<string, unknown>>;

/**
 * Is this a schema that strict mode takes? Every object in it is closed and asks for all of its properties
 * (https://platform.openai.com/docs/guides/structured-outputs, "Supported schemas").
 */
export function fitsStrict(schema: unknown): boolean {
  if (!isObject(schema)) return typeof schema !== 'boolean';
  const { properties, required, items, anyOf, $defs, definitions } = schema;
  if (schema['type'] === 'object' || properties !== undefined) {
    if (schema['additionalProperties'] !== false) return false;
    const names = new Set<unknown>(Array.isArray(required) ? required : []);
    if (!Object.keys(isObject(properties) ? properties : {}).every((name) => names.has(name))) return false;
  }
  const inner = [properties, $defs, definitions].flatMap((one) => (isObject(one) ? Object.values(one) : []));
  const choices: readonly unknown[] = Array.isArray(anyOf) ? anyOf : [];
  return [...inner, ...choices, ...(items === undefined ? [] : [items])].every(fitsStrict) && isRoot(schema);
}

/** `allOf`, `not`, `if` and their kin are not supported, nor is a choice without `anyOf`. */
function isRoot(schema: Json): boolean {
  return !['allOf', 'oneOf', 'not', 'if', 'dependentRequired', 'dependentSchemas', 'patternProperties'].some(
    (name) => Object.hasOwn(schema, name),
  );
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
