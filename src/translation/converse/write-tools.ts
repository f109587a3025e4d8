import { cannot } from '../cannot.ts';
import { leftOut } from '../left-out-name.ts';
import { offeredTools } from '../offered-tools.ts';
import type { NeutralRequest, Tool, ToolChoice } from '../neutral.ts';
import { cachePoint } from './cache-point.ts';
import type { ConverseModel } from './models.ts';
import { isName } from './names.ts';

type Asked = Pick<NeutralRequest, 'tools' | 'toolChoice' | 'parallelTools' | 'messages'>;

/** `toolConfig`, which calls and results want even where no tool may be called. @throws CallError */
export function writeTools(request: Asked, model: ConverseModel, edits: Set<string>): object {
  const { tools, toolChoice, parallelTools } = request;
  const used = request.messages
    .flatMap(({ parts }) => parts)
    .find(({ type }) => type === 'tool-call' || type === 'tool-result');
  if (tools.length === 0) {
    if (used === undefined) return {};
    throw cannot(used.at, 'is of a tool that the request does not declare');
  }
  if (parallelTools?.value === false) throw cannot(parallelTools.at);
  const choice = toolChoice?.value;
  if (toolChoice !== undefined && choice?.mode === 'none') {
    if (used !== undefined) throw cannot(toolChoice.at);
    return {};
  }
  const offered = offeredTools(request);
  const told = choiceOf(choice);
  return {
    toolConfig: {
      tools: offered.flatMap((tool) => [
        toolSpec(tool, model, edits),
        // What Amazon's models cache are instructions and the conversation.
        ...cachePoint(tool.cache, false, edits),
      ]),
      ...(told && { toolChoice: told }),
    },
  };
}

function toolSpec(tool: Tool, { schema: strictly }: ConverseModel, edits: Set<string>): object {
  const { at, name, description, schema, strict } = tool;
  if (!isName(name)) throw cannot(`${at}.name`, 'must be 1 to 64 letters, digits, `_` and `-`');
  if (strict === true && !strictly) edits.add(leftOut(`${at}.strict`));
  return {
    toolSpec: {
      name,
      ...(description !== undefined && description !== '' && { description }),
      inputSchema: { json: { type: 'object', ...schema } },
      ...(strict === true && strictly && { strict }),
    },
  };
}

/** Undefined = the default, auto. */
function choiceOf(choice: ToolChoice | undefined): object | undefined {
  switch (choice?.mode) {
    case 'auto':
      return { auto: {} };
    case 'any':
      return { any: {} };
    case 'one':
      return { tool: { name: choice.name } };
    case 'none':
    case undefined:
      return undefined;
  }
}
