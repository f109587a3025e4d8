import { CallError } from '../../dialects/dialect.ts';
import { cannot } from '../cannot.ts';
import { Fields, type Leave } from '../fields.ts';
import type { Tool, ToolChoice } from '../neutral.ts';
import { leaveRest } from './chat-left-out.ts';

/** A function without parameters takes none (`FunctionDefinition` of openai 6.49). */
export const NO_PARAMETERS = { type: 'object', properties: {} };

export function readTools(body: Fields, leave: Leave): readonly Tool[] {
  return body.list('tools').map(({ item, at }) => {
    const tool = Fields.of(item, at);
    const type = tool.text('type') ?? '';
    if (type !== 'function') {
      throw cannot(
        at,
        `is a tool of type ${type.slice(0, 64)}, which the account that serves this model lacks`,
      );
    }
    const definition = tool.object('function');
    const name = definition?.text('name') ?? '';
    if (definition === undefined || name === '') throw new CallError(`${at}.function.name: is required`);
    const description = definition.text('description');
    const schema = definition.json('parameters') ?? NO_PARAMETERS;
    const strict = definition.flag('strict');
    leaveRest(definition, 'tool', leave);
    leaveRest(tool, 'tool', leave);
    return { at, name, description, schema, ...(strict !== undefined && { strict }) };
  });
}

/** `ChatCompletionToolChoiceOption` of openai 6.49. */
export function readToolChoice(body: Fields, leave: Leave): ToolChoice | undefined {
  const at = body.atOf('tool_choice');
  if (at === undefined) return undefined;
  const value = body.take('tool_choice');
  if (typeof value === 'string') return { mode: modeOf(value, at) };
  const choice = Fields.of(value, at);
  const type = choice.text('type') ?? '';
  const read = type === 'allowed_tools' ? allowedTools(choice, leave) : oneTool(choice, type, leave);
  leaveRest(choice, 'choice', leave);
  return read;
}

/** @throws CallError when it is no mode */
export function modeOf(mode: string, at: string): 'auto' | 'none' | 'any' {
  if (mode === 'auto' || mode === 'none') return mode;
  if (mode === 'required') return 'any';
  throw new CallError(`${at}: must be none, auto, required or an object`);
}

function oneTool(choice: Fields, type: string, leave: Leave): ToolChoice {
  if (type !== 'function') throw cannot(choice.at, `chooses a tool of type ${type.slice(0, 64)}`);
  return { mode: 'one', name: functionName(choice, leave) };
}

function allowedTools(choice: Fields, leave: Leave): ToolChoice {
  const allowed = choice.object('allowed_tools');
  if (allowed === undefined) throw new CallError(`${choice.at}.allowed_tools: is required`);
  const mode = modeOf(allowed.text('mode') ?? 'auto', `${allowed.at}.mode`);
  const only = allowed.list('tools').map(({ item, at }) => {
    const tool = Fields.of(item, at);
    const type = tool.text('type') ?? '';
    if (type !== 'function') throw cannot(at, `chooses a tool of type ${type.slice(0, 64)}`);
    const name = functionName(tool, leave);
    leaveRest(tool, 'choice', leave);
    return name;
  });
  leaveRest(allowed, 'choice', leave);
  return { mode, only };
}

function functionName(fields: Fields, leave: Leave): string {
  const called = fields.object('function');
  const name = called?.text('name') ?? '';
  if (called === undefined || name === '') throw new CallError(`${fields.at}.function.name: is required`);
  leaveRest(called, 'choice', leave);
  return name;
}
