import { type Advice, type Idle, leaveRestBy } from '../leave-rest.ts';

/**
 * Chat completions: what may be left out of a translated call. Refused are whatever OpenAI adds, and today `logprobs`,
 * `logit_bias`, `prediction`, `verbosity`, `moderation`, audio as output, `web_search_options`, custom tools, files by id,
 * and the older `functions` and `function_call`.
 */
const ADVICE: Advice<Place> = {
  body: {
    metadata: 'accounting of OpenAI’s own',
    user: 'abuse detection of OpenAI’s own',
    safety_identifier: 'likewise',
    service_tier: 'how fast and how dear OpenAI may serve it',
    store: 'whether OpenAI keeps a copy for its evaluations',
    prompt_cache_key: 'where OpenAI may keep a prompt',
    prompt_cache_options: 'likewise; the marks themselves are read',
    prompt_cache_retention: 'likewise',
  },
  streamOptions: { include_obfuscation: 'padding against those who measure the frames' },
  message: {
    name: 'which of several speakers of one role; no other vendor has a place for it',
    annotations: 'what an answer cited; its text is there',
  },
  part: {},
  image: {},
  audio: {},
  file: {},
  call: {},
  function: {},
  tool: {},
  choice: {},
  format: {},
};

const nothing = (value: unknown): boolean => Array.isArray(value) && value.length === 0;
/** The SDK's helpers write what they made of an answer beside it (`parsed`, `parsed_arguments`). */
const again = (): boolean => true;

const IDLE: Idle<Place> = {
  body: {
    n: (value) => value === 1,
    logprobs: (value) => value === false,
    top_logprobs: (value) => value === 0,
    logit_bias: (value) => JSON.stringify(value) === '{}',
    modalities: (value) => JSON.stringify(value) === '["text"]',
    verbosity: (value) => value === 'medium',
    store: (value) => value === false,
    service_tier: (value) => value === 'auto' || value === 'default',
    functions: nothing,
  },
  streamOptions: { include_obfuscation: (value) => value === false },
  message: { annotations: nothing, tool_calls: nothing, parsed: again },
  call: { index: again },
  function: { parsed_arguments: again },
};

export type Place =
  | 'body'
  | 'streamOptions'
  | 'message'
  | 'part'
  | 'image'
  | 'audio'
  | 'file'
  | 'call'
  | 'function'
  | 'tool'
  | 'choice'
  | 'format';

export const leaveRest = leaveRestBy(ADVICE, IDLE);
