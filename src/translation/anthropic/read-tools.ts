import { CallError } from '../../dialects/dialect.ts';
import { cannot } from '../cannot.ts';
import { Fields, type Leave } from '../fields.ts';
import type { Given, Tool, ToolChoice } from '../neutral.ts';
import { leaveRest } from './left-out.ts';
import { cacheMark } from './read-cache-mark.ts';

/** Tools of the client's own; those that Anthropic runs or defines (a `type` other than `custom`) are refused. */
export function readTools(body: Fields, leave: Leave): readonly Tool[] {
  return body.list('tools').map(({ item, at }) => {
    const tool = Fields.of(item, at);
    const type = tool.text('type') ?? 'custom';
    if (type !== 'custom')
      throw cannot(
        at,
        `is Anthropic's own tool ${type.slice(0, 64)}, which the account that serves this model does not have`,
      );
    const name = tool.text('name');
    if (name === undefined || name === '') throw new CallError(`${at}.name: is required`);
    const description = tool.text('description');
    const schema = tool.json('input_schema');
    if (schema === undefined) throw new CallError(`${at}.input_schema: is required`);
    const strict = tool.flag('strict');
    const cache = cacheMark(tool, leave);
    leaveRest(tool, 'tool', leave);
    return { at, name, description, schema, ...(strict === undefined ? {} : { strict }), ...cache };
  });
}

export function readToolChoice(
  body: Fields,
  leave: Leave,
): { toolChoice?: Given<ToolChoice>; parallelTools?: Given<boolean> } {
  const at = body.atOf('tool_choice');
  const choice = body.object('tool_choice');
  if (choice === undefined || at === undefined) return {};
  const type = choice.text('type');
  const name = choice.text('name');
  const aloneAt = choice.atOf('disable_parallel_tool_use');
  const alone = choice.flag('disable_parallel_tool_use');
  leaveRest(choice, 'choice', leave);
  const parallel =
    aloneAt !== undefined && alone === true ? { parallelTools: { value: false, at: aloneAt } } : {};
  return { toolChoice: { value: choiceOf(type, name, at), at }, ...parallel };
}

function choiceOf(type: string | undefined, name: string | undefined, at: string): ToolChoice {
  switch (type) {
    case 'auto':
    case 'none':
    case 'any':
      return { mode: type };
    case 'tool':
      if (name === undefined) throw new CallError(`${at}.name: is required`);
      return { mode: 'one', name };
    default:
      throw new CallError(`${at}.type: must be auto, any, tool or none`);
  }
}
