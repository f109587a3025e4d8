import { CallError } from '../../dialects/dialect.ts';
import type { Fields, Leave } from '../fields.ts';
import { given } from '../given.ts';
import type { Effort, NeutralRequest, OutputFormat, Thinking } from '../neutral.ts';
import { leaveRest } from './left-out.ts';
import { jsonSchemaOf } from './open-api-schema.ts';

type Settings = Pick<
  NeutralRequest,
  | 'maxOutputTokens'
  | 'temperature'
  | 'topP'
  | 'topK'
  | 'stop'
  | 'seed'
  | 'presencePenalty'
  | 'frequencyPenalty'
  | 'thinking'
  | 'output'
>;

const LEVELS: Readonly<Record<string, Effort>> = {
  MINIMAL: 'minimal',
  LOW: 'low',
  MEDIUM: 'medium',
  HIGH: 'high',
};

/** `generationConfig`; fields by `GenerationConfig` of @google/genai 2.32. */
export function readSettings(config: Fields | undefined, leave: Leave): Settings {
  if (config === undefined) return {};
  const settings: Settings = {
    ...numbers(config),
    ...given('stop', config.atOf('stopSequences'), config.texts('stopSequences')),
    ...given('thinking', config.atOf('thinkingConfig'), readThinking(config.object('thinkingConfig'), leave)),
    ...readOutput(config),
  };
  leaveRest(config, 'generationConfig', leave);
  return settings;
}

function numbers(config: Fields): Settings {
  return {
    ...given('maxOutputTokens', config.atOf('maxOutputTokens'), config.number('maxOutputTokens')),
    ...given('temperature', config.atOf('temperature'), config.number('temperature')),
    ...given('topP', config.atOf('topP'), config.number('topP')),
    ...given('topK', config.atOf('topK'), config.number('topK')),
    ...given('seed', config.atOf('seed'), config.number('seed')),
    ...given('presencePenalty', config.atOf('presencePenalty'), config.number('presencePenalty')),
    ...given('frequencyPenalty', config.atOf('frequencyPenalty'), config.number('frequencyPenalty')),
  };
}

/** A budget of 0 switches thoughts off, -1 leaves it to the model (`ThinkingConfig`); without either they may be shown. */
function readThinking(config: Fields | undefined, leave: Leave): Thinking | undefined {
  if (config === undefined) return undefined;
  const show = config.flag('includeThoughts') ?? false;
  const level = config.text('thinkingLevel')?.toUpperCase();
  const levelAt = `${config.at}.thinkingLevel`;
  const budget = config.number('thinkingBudget');
  leaveRest(config, 'thinkingConfig', leave);
  if (level !== undefined && level !== 'THINKING_LEVEL_UNSPECIFIED') {
    if (!Object.hasOwn(LEVELS, level)) throw new CallError(`${levelAt}: is not known`);
    if (budget !== undefined) throw new CallError(`${levelAt}: goes without a thinkingBudget`);
    return { mode: 'effort', effort: LEVELS[level]!, show };
  }
  if (budget === 0) return { mode: 'off', show: false };
  if (budget !== undefined && budget > 0) return { mode: 'budget', budgetTokens: budget, show };
  return budget === -1 || show ? { mode: 'adaptive', show } : undefined;
}

function readOutput(config: Fields): Pick<Settings, 'output'> {
  const typeAt = config.atOf('responseMimeType');
  const type = config.text('responseMimeType') ?? 'text/plain';
  const openAt = config.atOf('responseSchema');
  const open = config.json('responseSchema');
  const schemaAt = config.atOf('responseJsonSchema');
  const schema = config.json('responseJsonSchema') ?? (open && jsonSchemaOf(open, openAt!));
  if (type === 'text/plain') {
    const at = schemaAt ?? openAt;
    if (at !== undefined) throw new CallError(`${at}: goes with the responseMimeType application/json`);
    return {};
  }
  if (type !== 'application/json')
    throw new CallError(`${typeAt}: must be text/plain or application/json here`);
  if (openAt !== undefined && schemaAt !== undefined)
    throw new CallError(`${schemaAt}: goes without ${openAt}`);
  const value: OutputFormat = schema === undefined ? {} : { schema };
  return { output: { value, at: schemaAt ?? openAt ?? typeAt! } };
}
