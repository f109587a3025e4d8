import { CallError } from '../../dialects/dialect.ts';
import type { Fields } from '../fields.ts';
import type { OutputFormat } from '../neutral.ts';

/**
 * `name`, `schema`, `strict` and `description` of a JSON schema, which stand in `json_schema` for chat completions and
 * beside the type for responses. What describes the format describes its schema.
 */
export function readSchema(format: Fields): OutputFormat {
  const name = format.text('name');
  const schema = format.json('schema') ?? {};
  const strict = format.flag('strict');
  const description = format.text('description');
  if (name === undefined) throw new CallError(`${format.at}.name: is required`);
  return {
    name,
    schema: description === undefined ? schema : { description, ...schema },
    ...(strict !== undefined && { strict }),
  };
}
