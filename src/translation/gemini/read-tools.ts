import { CallError } from '../../dialects/dialect.ts';
import type { Given, Tool, ToolChoice } from '../neutral.ts';
import type { Fields, JsonObject, Leave } from '../fields.ts';
import { fieldsOf } from './gemini-fields.ts';
import { leaveRest } from './left-out.ts';
import { jsonSchemaOf } from './open-api-schema.ts';

const NO_ARGUMENTS: JsonObject = { type: 'object', properties: {} };

/** The functions of all `tools`; tools that Google runs itself are left over. */
export function readTools(body: Fields, leave: Leave): readonly Tool[] {
  return body.list('tools').flatMap(({ item, at }) => {
    const tool = fieldsOf(item, at);
    const functions = tool.list('functionDeclarations').map((one) => readFunction(one.item, one.at, leave));
    leaveRest(tool, 'tool', leave);
    return functions;
  });
}

function readFunction(item: unknown, at: string, leave: Leave): Tool {
  const declaration = fieldsOf(item, at);
  const name = declaration.text('name');
  if (name === undefined || name === '') throw new CallError(`${at}.name: is required`);
  const description = declaration.text('description');
  const openAt = declaration.atOf('parameters');
  const open = declaration.json('parameters');
  const schemaAt = declaration.atOf('parametersJsonSchema');
  const schema = declaration.json('parametersJsonSchema');
  if (open !== undefined && schema !== undefined) throw new CallError(`${schemaAt}: goes without parameters`);
  leaveRest(declaration, 'declaration', leave);
  return {
    at,
    name,
    description,
    schema: schema ?? (open === undefined ? NO_ARGUMENTS : jsonSchemaOf(open, openAt!)),
  };
}

/** `VALIDATED` is AUTO with calls held to their schema, which other vendors promise by each tool or not at all. */
export function readToolChoice(body: Fields, leave: Leave): Given<ToolChoice> | undefined {
  const config = body.object('toolConfig');
  if (config === undefined) return undefined;
  const calling = config.object('functionCallingConfig');
  leaveRest(config, 'toolConfig', leave);
  if (calling === undefined) return undefined;
  const at = calling.atOf('mode') ?? calling.at;
  const mode = calling.text('mode')?.toUpperCase() ?? 'AUTO';
  const onlyAt = calling.atOf('allowedFunctionNames');
  const names = calling.texts('allowedFunctionNames') ?? [];
  leaveRest(calling, 'functionCallingConfig', leave);
  const only = names.length > 0 ? { only: names } : {};
  switch (mode) {
    case 'MODE_UNSPECIFIED':
    case 'AUTO':
      if (onlyAt !== undefined && names.length > 0)
        throw new CallError(`${onlyAt}: goes with the mode ANY or VALIDATED`);
      return { value: { mode: 'auto' }, at };
    case 'VALIDATED':
      leave({ at, advice: true });
      return { value: { mode: 'auto', ...only }, at };
    case 'NONE':
      return { value: { mode: 'none' }, at };
    case 'ANY': {
      const [name] = names;
      return { value: names.length === 1 ? { mode: 'one', name: name! } : { mode: 'any', ...only }, at };
    }
    default:
      throw new CallError(`${at}: must be AUTO, ANY, NONE or VALIDATED`);
  }
}
