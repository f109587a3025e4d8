import { ownEntry } from '../../dialects/own-entry.ts';
import type { Fields, Leave } from '../fields.ts';

/**
 * What may be left out of a translated call, and why an answer without it is still the answer. A field that is not here
 * is refused by its name: whatever Anthropic adds, and today `container`, `mcp_servers`, `fallbacks`, `thread`, files by
 * id, and tools that Anthropic runs itself.
 */
const ADVICE: Readonly<Record<Place, Readonly<Record<string, string>>>> = {
  body: {
    metadata: 'accounting and abuse detection of Anthropic’s own',
    service_tier: 'how fast and how dear Anthropic may serve it',
    speed: 'likewise',
    inference_geo: 'where Anthropic computes; another vendor has its own regions',
    context_management: 'what Anthropic may forget of a long conversation; without it nothing is forgotten',
    compaction: 'likewise',
    diagnostics: 'what Anthropic tells about its cache',
    cache_control: 'where Anthropic may keep a prompt',
    user_profile_id: 'accounting',
    workspace_id: 'accounting',
    billing_policy: 'accounting',
  },
  tool: {
    eager_input_streaming: 'how soon arguments are streamed',
    defer_loading: 'which tools a search would load first; without a search all are there',
    input_examples: 'examples beside the schema',
  },
  document: {},
  block: { citations: 'whether passages are cited, which other vendors have no way to tell' },
  call: { caller: 'who called: the model itself, as ever' },
  output: { task_budget: 'how much a whole task may take, which the model is only told' },
  thinking: {},
  choice: {},
  source: {},
  format: {},
};

/** Values that ask for nothing: the field does not count as given. */
const IDLE: Readonly<Record<string, (value: unknown) => boolean>> = {
  allowed_callers: (value) => JSON.stringify(value) === '["direct"]',
  mcp_servers: (value) => Array.isArray(value) && value.length === 0,
  fallbacks: (value) => Array.isArray(value) && value.length === 0,
};

export type Place =
  'body' | 'tool' | 'document' | 'block' | 'call' | 'output' | 'thinking' | 'choice' | 'source' | 'format';

/** What the reader of this object took no notice of. */
export function leaveRest(fields: Fields, place: Place, leave: Leave): void {
  for (const { name, at, value } of fields.rest()) {
    if (ownEntry(IDLE, name)?.(value) === true) continue;
    leave({ at, advice: Object.hasOwn(ADVICE[place], name) });
  }
}
