import { isRecord, listOf } from './exchange.ts';
import { invalid, missing, tooLong, unknownParameter, wrongType, wrongValue } from './openai-error.ts';
import { strictFault } from './openai-schema.ts';

type Json = Readonly<Record<string, unknown>>;

const NAME = /^[a-zA-Z0-9_-]+$/;
const CHOICES = ['none', 'auto', 'required'];

/** `tools`, `tool_choice` and `parallel_tool_calls`. @throws OpenaiRefusal naming the field */
export function checkTools(body: Json): void {
  const { tools } = body;
  for (const name of ['tool_choice', 'parallel_tool_calls']) {
    if (tools === undefined && body[name] !== undefined && body[name] !== null) {
      throw invalid(name, undefined, `'${name}' is only allowed when 'tools' are specified.`);
    }
  }
  if (tools === undefined || tools === null) return;
  if (!Array.isArray(tools)) throw wrongType('tools', 'an array of objects', tools);
  if (tools.length === 0) {
    throw invalid(
      'tools',
      'empty_array',
      "Invalid 'tools': empty array. Expected an array with minimum length 1, but got an empty array instead.",
    );
  }
  const names = tools.map((tool: unknown, n) => checkTool(tool, `tools[${n}]`));
  checkChoice(body['tool_choice'], names);
}

function checkTool(tool: unknown, at: string): string {
  if (!isRecord(tool)) throw wrongType(at, 'an object', tool);
  if (tool['type'] === undefined) throw missing(`${at}.type`);
  if (tool['type'] !== 'function') throw wrongValue(`${at}.type`, tool['type'], ['function']);
  only(tool, ['type', 'function'], at);
  const told = tool['function'];
  if (told === undefined) throw missing(`${at}.function`);
  if (!isRecord(told)) throw wrongType(`${at}.function`, 'an object', told);
  only(told, ['name', 'description', 'parameters', 'strict'], `${at}.function`);
  const name = checkName(told['name'], `${at}.function.name`);
  const { parameters, description, strict } = told;
  if (description !== undefined && typeof description !== 'string') {
    throw wrongType(`${at}.function.description`, 'a string', description);
  }
  const where = `${at}.function.parameters`;
  if (parameters !== undefined) {
    if (!isRecord(parameters)) throw wrongType(where, 'an object', parameters);
    if (parameters['type'] !== 'object') {
      throw invalid(
        where,
        'invalid_function_parameters',
        `Invalid schema for function '${name}': schema must be a JSON Schema of 'type: "object"', got 'type: "${typeof parameters['type'] === 'string' ? parameters['type'] : 'None'}"'.`,
      );
    }
  }
  if (parameters !== undefined && !isRecord(parameters['properties'])) {
    throw invalid(
      where,
      'invalid_function_parameters',
      `Invalid schema for function '${name}': In context=(), object schema missing properties.`,
    );
  }
  if (strict === true) {
    const wrong = strictFault(parameters ?? {}, []);
    if (wrong !== undefined) {
      throw invalid(where, 'invalid_function_parameters', `Invalid schema for function '${name}': ${wrong}`);
    }
  }
  return name;
}

function checkChoice(choice: unknown, names: readonly string[]): void {
  if (choice === undefined || choice === null) return;
  if (typeof choice === 'string') {
    if (!CHOICES.includes(choice)) throw wrongValue('tool_choice', choice, CHOICES);
    return;
  }
  if (!isRecord(choice)) throw wrongType('tool_choice', 'one of a string or an object', choice);
  const wanted = chosen(choice);
  const absent = wanted.find((name) => !names.includes(name));
  if (absent !== undefined) {
    throw invalid('tool_choice', undefined, `Invalid value: '${absent}' not found in 'tools' parameter.`);
  }
}

/** Names in a choice of one function, or of some that are allowed. */
function chosen(choice: Json): string[] {
  if (choice['type'] === 'function') {
    only(choice, ['type', 'function'], 'tool_choice');
    const told = choice['function'];
    if (!isRecord(told) || typeof told['name'] !== 'string') throw missing('tool_choice.function.name');
    return [told['name']];
  }
  if (choice['type'] !== 'allowed_tools') {
    throw wrongValue('tool_choice.type', choice['type'], ['function', 'allowed_tools']);
  }
  const allowed = choice['allowed_tools'];
  const at = 'tool_choice.allowed_tools';
  if (!isRecord(allowed)) throw missing(at);
  if (allowed['mode'] !== 'auto' && allowed['mode'] !== 'required') {
    throw wrongValue(`${at}.mode`, allowed['mode'], ['auto', 'required']);
  }
  return listOf(allowed['tools']).map((tool, n) => {
    const told = isRecord(tool) && tool['type'] === 'function' ? tool['function'] : undefined;
    if (!isRecord(told) || typeof told['name'] !== 'string') throw missing(`${at}.tools[${n}].function.name`);
    return told['name'];
  });
}

/** `response_format`. @throws OpenaiRefusal naming the field */
export function checkFormat(body: Json): void {
  const format = body['response_format'];
  if (format === undefined || format === null) return;
  if (!isRecord(format)) throw wrongType('response_format', 'an object', format);
  switch (format['type']) {
    case 'text':
      return;
    case 'json_object':
      if (!/json/i.test(JSON.stringify(body['messages']))) {
        throw invalid(
          'messages',
          undefined,
          "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
        );
      }
      return;
    case 'json_schema':
      return checkSchema(format['json_schema']);
    default:
      throw wrongValue('response_format.type', format['type'], ['json_object', 'json_schema', 'text']);
  }
}

function checkSchema(told: unknown): void {
  const at = 'response_format.json_schema';
  if (told === undefined) throw missing(at);
  if (!isRecord(told)) throw wrongType(at, 'an object', told);
  only(told, ['name', 'description', 'schema', 'strict'], at);
  const name = checkName(told['name'], `${at}.name`);
  const schema = told['schema'] ?? {};
  if (!isRecord(schema)) throw wrongType(`${at}.schema`, 'an object', schema);
  const wrong = told['strict'] === true ? strictFault(schema, []) : undefined;
  if (wrong !== undefined) {
    throw invalid('response_format', undefined, `Invalid schema for response_format '${name}': ${wrong}`);
  }
}

function checkName(name: unknown, at: string): string {
  if (name === undefined) throw missing(at);
  if (typeof name !== 'string') throw wrongType(at, 'a string', name);
  if (name.length > 64) {
    throw tooLong(at, 64, name.length);
  }
  if (!NAME.test(name)) {
    throw invalid(
      at,
      'invalid_value',
      `Invalid '${at}': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.`,
    );
  }
  return name;
}

/** @throws OpenaiRefusal naming the first field that is not among these */
export function only(value: Json, names: readonly string[], at: string): void {
  const other = Object.keys(value).find((name) => !names.includes(name));
  if (other !== undefined) throw unknownParameter(`${at}.${other}`);
}
