import { leftOut } from '../left-out-name.ts';
import { offeredTools } from '../offered-tools.ts';
import type { NeutralRequest, Tool, ToolChoice } from '../neutral.ts';
import type { ChatModel } from './chat-models.ts';

/**
 * `tools` and what goes only with them. A choice among some of them leaves the others out: `allowed_tools` says the same,
 * to OpenAI alone.
 */
export function writeTools(request: NeutralRequest, model: ChatModel, edits: Set<string>): object {
  const { toolChoice, parallelTools } = request;
  const choice = toolChoice?.value;
  const offered = offeredTools(request);
  if (offered.length === 0) return {};
  const told = choiceOf(choice);
  // A model without the word calls one tool at a time.
  const alone = parallelTools?.value === false && model.parallel;
  return {
    tools: offered.map((one) => tool(one, edits)),
    ...(told !== undefined && { tool_choice: told }),
    ...(alone && { parallel_tool_calls: false }),
  };
}

function choiceOf(choice: ToolChoice | undefined): unknown {
  switch (choice?.mode) {
    case undefined:
      return undefined;
    case 'auto':
    case 'none':
      return choice.mode;
    case 'any':
      return 'required';
    case 'one':
      return { type: 'function', function: { name: choice.name } };
  }
}

/** OpenAI refuses an object's schema without `properties` ("object schema missing properties"). */
function tool({ name, description, schema, strict, cache }: Tool, edits: Set<string>): object {
  if (cache !== undefined) edits.add(leftOut(cache.at));
  return {
    type: 'function',
    function: {
      name,
      ...(description !== undefined && description !== '' && { description }),
      parameters: { type: 'object', properties: {}, ...schema },
      ...(strict === true && { strict }),
    },
  };
}
