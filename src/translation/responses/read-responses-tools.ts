import { CallError } from '../../dialects/dialect.ts';
import { cannot } from '../cannot.ts';
import { Fields, type Leave } from '../fields.ts';
import type { Tool, ToolChoice } from '../neutral.ts';
import { modeOf, NO_PARAMETERS } from '../openai/read-chat-tools.ts';
import { leaveRest } from './responses-left-out.ts';

/** Functions of the client's own; those that OpenAI runs or defines are refused. `FunctionTool` of openai 6.49. */
export function readTools(body: Fields, leave: Leave): readonly Tool[] {
  return body.list('tools').map(({ item, at }) => {
    const tool = Fields.of(item, at);
    mustBeFunction(at, tool.text('type') ?? '', 'is a tool');
    const name = nameIn(tool);
    const description = tool.text('description');
    const schema = tool.json('parameters') ?? NO_PARAMETERS;
    const strict = tool.flag('strict');
    leaveRest(tool, 'tool', leave);
    return { at, name, description, schema, ...(strict !== undefined && { strict }) };
  });
}

/** `ToolChoiceOptions`, `ToolChoiceFunction` and `ToolChoiceAllowed` of openai 6.49. */
export function readToolChoice(body: Fields, leave: Leave): ToolChoice | undefined {
  const at = body.atOf('tool_choice');
  if (at === undefined) return undefined;
  const value = body.take('tool_choice');
  if (typeof value === 'string') return { mode: modeOf(value, at) };
  const choice = Fields.of(value, at);
  const type = choice.text('type') ?? '';
  const read = type === 'allowed_tools' ? allowedTools(choice, leave) : oneTool(choice, type);
  leaveRest(choice, 'choice', leave);
  return read;
}

function allowedTools(choice: Fields, leave: Leave): ToolChoice {
  const mode = modeOf(choice.text('mode') ?? 'auto', `${choice.at}.mode`);
  const only = choice.list('tools').map(({ item, at }) => {
    const tool = Fields.of(item, at);
    mustBeFunction(at, tool.text('type') ?? '', 'chooses a tool');
    const name = nameIn(tool);
    leaveRest(tool, 'choice', leave);
    return name;
  });
  return { mode, only };
}

function oneTool(choice: Fields, type: string): ToolChoice {
  mustBeFunction(choice.at, type, 'chooses a tool');
  return { mode: 'one', name: nameIn(choice) };
}

function mustBeFunction(at: string, type: string, what: string): void {
  if (type === 'function') return;
  throw cannot(at, `${what} of type ${type.slice(0, 64)}, which the account that serves this model lacks`);
}

function nameIn(tool: Fields): string {
  const name = tool.text('name') ?? '';
  if (name === '') throw new CallError(`${tool.at}.name: is required`);
  return name;
}
