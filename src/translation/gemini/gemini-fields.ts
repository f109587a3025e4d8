import { Fields } from '../fields.ts';

/** Fields in either spelling (`maxOutputTokens`, `max_output_tokens`), by the camelCase one. @throws CallError */
export function fieldsOf(value: unknown, at: string): Fields {
  return Fields.of(value, at, camelCase);
}

function camelCase(name: string): string {
  return name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
