import type { BedrockModel } from './bedrock-models.ts';
import { checkConversation } from './converse-messages.ts';
import { constraint, NAME, oneOf, unknown } from './converse-refusal.ts';
import { isRecord, listOf, Refusal } from './exchange.ts';

/**
 * What Converse refuses by itself, in the words that clients meet. Members are those of the AWS Bedrock API reference
 * (Converse and the types it names); one that is not there is refused, which the service itself does for unions only.
 */

type Shape = Readonly<Record<string, string>>;

const REQUEST: Shape = {
  messages: 'list',
  system: 'list',
  inferenceConfig: 'object',
  toolConfig: 'object',
  guardrailConfig: 'object',
  additionalModelRequestFields: 'any',
  promptVariables: 'object',
  additionalModelResponseFieldPaths: 'list',
  requestMetadata: 'object',
  performanceConfig: 'object',
  serviceTier: 'object',
  outputConfig: 'object',
};
const COUNTED = new Set(['messages', 'system', 'toolConfig', 'additionalModelRequestFields']);
const INFERENCE = new Set(['maxTokens', 'temperature', 'topP', 'stopSequences']);

/** The request, found sound in itself. @throws Refusal naming the field */
export function checkedConverse(
  json: unknown,
  counting: boolean,
  model: BedrockModel,
): Record<string, unknown> {
  if (!isRecord(json)) throw new Refusal(400, 'The request body is not valid JSON');
  for (const [name, value] of Object.entries(json)) {
    const form = REQUEST[name];
    if (form === undefined || (counting && !COUNTED.has(name))) throw unknown(name);
    if (form === 'list' && !Array.isArray(value)) throw new Refusal(400, `${name}: Expected list`);
    if (form === 'object' && !isRecord(value)) throw new Refusal(400, `${name}: Expected structure`);
  }
  checkInference(json['inferenceConfig']);
  for (const [n, block] of listOf(json['system']).entries()) {
    oneOf(block, `system.${n}`, new Set(['text', 'guardContent', 'cachePoint']));
  }
  checkTools(json['toolConfig']);
  checkConversation(json, model);
  return json;
}

function checkInference(config: unknown): void {
  if (!isRecord(config)) return;
  for (const name of Object.keys(config)) if (!INFERENCE.has(name)) throw unknown(`inferenceConfig.${name}`);
  const { maxTokens, temperature, topP, stopSequences } = config;
  if (maxTokens !== undefined && !(Number.isInteger(maxTokens) && Number(maxTokens) >= 1)) {
    throw constraint('inferenceConfig.maxTokens', 'Member must have value greater than or equal to 1');
  }
  for (const [name, value] of [
    ['temperature', temperature],
    ['topP', topP],
  ] as const) {
    if (value !== undefined && !(typeof value === 'number' && value >= 0 && value <= 1)) {
      throw constraint(`inferenceConfig.${name}`, 'Member must have value between 0 and 1');
    }
  }
  if (listOf(stopSequences).some((stop) => typeof stop !== 'string' || stop === '')) {
    throw constraint('inferenceConfig.stopSequences', 'Member must have length greater than or equal to 1');
  }
}

function checkTools(config: unknown): void {
  if (!isRecord(config)) return;
  const tools = listOf(config['tools']);
  if (tools.length === 0)
    throw constraint('toolConfig.tools', 'Member must have length greater than or equal to 1');
  for (const [n, tool] of tools.entries()) {
    const where = `toolConfig.tools.${n}.member`;
    const [kind, value] = oneOf(tool, where, new Set(['toolSpec', 'systemTool', 'cachePoint']));
    if (kind !== 'toolSpec' || !isRecord(value)) continue;
    for (const name of Object.keys(value)) {
      if (!['name', 'description', 'inputSchema', 'strict'].includes(name))
        throw unknown(`${where}.toolSpec.${name}`);
    }
    if (!NAME.test(String(value['name']))) {
      throw constraint(
        `${where}.toolSpec.name`,
        'Member must satisfy regular expression pattern: [a-zA-Z0-9_-]+',
      );
    }
    if (value['description'] === '') {
      throw constraint(`${where}.toolSpec.description`, 'Member must have length greater than or equal to 1');
    }
    const schema = isRecord(value['inputSchema']) ? value['inputSchema']['json'] : undefined;
    if (!isRecord(schema) || schema['type'] !== 'object') {
      throw new Refusal(
        400,
        `The value at ${where}.toolSpec.inputSchema.json.type must be one of the following: object.`,
      );
    }
  }
  if (config['toolChoice'] !== undefined) {
    oneOf(config['toolChoice'], 'toolConfig.toolChoice', new Set(['auto', 'any', 'tool']));
  }
}
