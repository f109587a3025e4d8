import { cannot } from '../cannot.ts';
import type { NeutralRequest, Tool, ToolChoice } from '../neutral.ts';
import type { WrittenRequest } from '../sides.ts';
import { leftOut } from '../left-out-name.ts';
import { isThird, thinkingConfig } from './models.ts';
import { writeContents } from './write-contents.ts';

/** `generationConfig.stopSequences`: "up to 5" (https://ai.google.dev/api/generate-content#generationconfig). */
const MAX_STOPS = 5;

/**
 * A GenerateContentRequest, or for a count the CountTokensRequest around it, whose model is required
 * (https://ai.google.dev/api/tokens). JSON Schema goes into the fields that take it as it is: `parametersJsonSchema`,
 * `responseJsonSchema`.
 * @throws CallError naming the client's field
 */
export function writeRequest(request: NeutralRequest): WrittenRequest {
  const edits = new Set<string>();
  const contents = writeContents(request.messages, isThird(request.model), edits);
  const system = request.system.filter(({ text }) => text !== '').map(({ text }) => ({ text }));
  for (const { cache } of [...request.system, ...request.tools]) {
    if (cache !== undefined) edits.add(leftOut(cache.at));
  }
  const config = generationConfig(request, edits);
  const body = {
    contents,
    ...(system.length > 0 && { systemInstruction: { parts: system } }),
    ...tools(request),
    ...(Object.keys(config).length > 0 && { generationConfig: config }),
  };
  return {
    body:
      request.lane === 'count'
        ? { generateContentRequest: { model: resourceName(request.model), ...body } }
        : body,
    headers: {},
    edits: [...edits],
  };
}

function generationConfig(request: NeutralRequest, edits: Set<string>): object {
  const { stop, thinking, output } = request;
  if (stop !== undefined && stop.value.length > MAX_STOPS) {
    throw cannot(stop.at, `must be at most ${MAX_STOPS} at the account that serves this model`);
  }
  const { config, exact } = thinking
    ? thinkingConfig(thinking.value, request.model)
    : { config: undefined, exact: true };
  if (thinking !== undefined && !exact) edits.add(leftOut(thinking.at));
  const schema = output?.value.schema;
  return {
    ...value('maxOutputTokens', request.maxOutputTokens),
    ...value('temperature', request.temperature),
    ...value('topP', request.topP),
    ...value('topK', request.topK),
    ...(stop !== undefined && stop.value.length > 0 && { stopSequences: stop.value }),
    ...value('seed', request.seed),
    ...value('presencePenalty', request.presencePenalty),
    ...value('frequencyPenalty', request.frequencyPenalty),
    ...(config && { thinkingConfig: config }),
    ...(output && { responseMimeType: 'application/json' }),
    ...(schema && { responseJsonSchema: schema }),
  };
}

function value(name: string, given: { readonly value: unknown } | undefined): object {
  return given === undefined ? {} : { [name]: given.value };
}

function tools({ tools, toolChoice, parallelTools }: NeutralRequest): object {
  if (tools.length === 0) return {};
  if (parallelTools?.value === false) throw cannot(parallelTools.at, 'is not known to Gemini');
  const config = callingConfig(
    toolChoice?.value,
    tools.some(({ strict }) => strict === true),
  );
  return {
    tools: [{ functionDeclarations: tools.map(declaration) }],
    ...(config && { toolConfig: { functionCallingConfig: config } }),
  };
}

function declaration({ name, description, schema }: Tool): object {
  return { name, ...(description !== undefined && { description }), parametersJsonSchema: schema };
}

/**
 * ANY holds calls to their schema, AUTO does so as VALIDATED, which also narrows the choice
 * (`FunctionCallingConfigMode` of @google/genai 2.32). Undefined = the default, AUTO.
 */
function callingConfig(choice: ToolChoice | undefined, strict: boolean): object | undefined {
  switch (choice?.mode) {
    case 'none':
      return { mode: 'NONE' };
    case 'one':
      return { mode: 'ANY', allowedFunctionNames: [choice.name] };
    case 'any':
      return { mode: 'ANY', ...(choice.only && { allowedFunctionNames: choice.only }) };
    case 'auto':
    case undefined: {
      const only = choice?.only;
      if (only !== undefined) return { mode: 'VALIDATED', allowedFunctionNames: only };
      if (strict) return { mode: 'VALIDATED' };
      return choice && { mode: 'AUTO' };
    }
  }
}

/** As bodies name a model, where they have to. */
export function resourceName(model: string): string {
  return /^(models|tunedModels)\//.test(model) ? model : `models/${model}`;
}
