import { type Advice, type Idle, leaveRestBy } from '../leave-rest.ts';

/**
 * Responses: what may be left out of a translated call. Refused are whatever OpenAI adds, and today `moderation`,
 * `top_logprobs`, `text.verbosity`, `reasoning.mode`, tools that OpenAI runs itself, custom tools, files by id, items of
 * such tools, and references to items that OpenAI would keep.
 *
 * `store` asks OpenAI to keep the answer for a later call, as it does unless told otherwise. Nothing is kept here, which
 * the answer says (`store: false`); a call that needs what was kept is refused. So the word itself does no harm.
 */
const ADVICE: Advice<Place> = {
  body: {
    metadata: 'accounting of OpenAI’s own',
    user: 'abuse detection of OpenAI’s own',
    safety_identifier: 'likewise',
    service_tier: 'how fast and how dear OpenAI may serve it',
    store: 'see above',
    prompt_cache_key: 'where OpenAI may keep a prompt',
    prompt_cache_options: 'likewise; the marks themselves are read',
    prompt_cache_retention: 'likewise',
    truncation: 'what OpenAI may forget of a conversation that is too long; without it nothing is forgotten',
    context_management: 'likewise',
  },
  streamOptions: { include_obfuscation: 'padding against those who measure the frames' },
  reasoning: { context: 'which earlier thoughts OpenAI’s models see again; each vendor knows its own' },
  text: {},
  format: {},
  item: { phase: 'whether an answer was the last of its turn' },
  part: { annotations: 'what an answer cited; its text is there', logprobs: 'how likely its words were' },
  tool: {
    defer_loading: 'which tools a search would load first; without a search all are there',
    output_schema: 'a description of what the tool answers; the answer itself comes anyway',
  },
  choice: {},
};

const nothing = (value: unknown): boolean => Array.isArray(value) && value.length === 0;
const off = (value: unknown): boolean => value === false;
/** What an answer says of itself, and what the SDK's helpers made of it (`parsed`, `parsed_arguments`). */
const again = (): boolean => true;

const IDLE: Idle<Place> = {
  body: {
    background: off,
    store: off,
    service_tier: (value) => value === 'auto' || value === 'default',
    truncation: (value) => value === 'disabled',
    top_logprobs: (value) => value === 0,
    // of OpenAI's own tools, of which there are none
    max_tool_calls: again,
  },
  streamOptions: { include_obfuscation: off },
  reasoning: {
    context: (value) => value === 'auto',
    mode: (value) => value === 'standard',
  },
  text: { verbosity: (value) => value === 'medium' },
  item: {
    id: again,
    status: again,
    parsed_arguments: again,
    created_by: again,
    caller: (value) => JSON.stringify(value) === '{"type":"direct"}',
  },
  part: { annotations: nothing, logprobs: nothing, parsed: again },
  tool: { defer_loading: off, allowed_callers: (value) => JSON.stringify(value) === '["direct"]' },
};

export type Place =
  'body' | 'streamOptions' | 'reasoning' | 'text' | 'format' | 'item' | 'part' | 'tool' | 'choice';

export const leaveRest = leaveRestBy(ADVICE, IDLE);
