import { Refusal } from './exchange.ts';

/** Models of @anthropic-ai/sdk 1.12's `Model` type and older ones still asked for; `claude-sim-…` always exists. */
const CURRENT =
  `claude-fable-5-2 claude-mythos-5-2 claude-haiku-5-5 claude-sonnet-5-5 claude-fable-5-1 claude-opus-5-5
claude-mythos-5-1 claude-sonnet-5 claude-fable-5 claude-mythos-5 claude-opus-5 claude-opus-4-8 claude-opus-4-7
claude-opus-4-6 claude-sonnet-4-6 claude-opus-4-5-20251101 claude-haiku-4-5-20251001 claude-sonnet-4-5-20250929
claude-opus-4-1-20250805 claude-opus-4-20250514 claude-sonnet-4-20250514 claude-3-7-sonnet-20250219
claude-3-5-haiku-20241022 claude-3-haiku-20240307`.split(/\s+/);

const ALIASES = new Set([
  ...CURRENT.map((id) => id.replace(/-\d{8}$/, '')),
  ...['claude-opus-4-0', 'claude-sonnet-4-0', 'claude-3-7-sonnet-latest', 'claude-3-5-haiku-latest'],
]);

export function anthropicModelExists(id: string): boolean {
  return CURRENT.includes(id) || ALIASES.has(id) || id.startsWith('claude-sim-');
}

/** `GET /v1/models`: newest first, a page at a time. @throws Refusal */
export function listAnthropicModels(query: URLSearchParams): Record<string, unknown> {
  const limit = Number(query.get('limit') ?? 20);
  if (!Number.isInteger(limit) || limit < 1 || limit > 1000) {
    throw new Refusal(400, 'limit: Input should be between 1 and 1000');
  }
  const cursor = (name: string): number | undefined => {
    const id = query.get(name);
    if (id === null) return undefined;
    const at = CURRENT.indexOf(id);
    if (at < 0) throw new Refusal(400, `${name}: "${id}" is not a known model`);
    return at;
  };
  const before = cursor('before_id');
  const start = before === undefined ? (cursor('after_id') ?? -1) + 1 : Math.max(0, before - limit);
  const page = CURRENT.slice(start, before === undefined ? start + limit : before);
  return {
    data: page.map(anthropicModel),
    has_more: before === undefined ? start + limit < CURRENT.length : start > 0,
    first_id: page[0] ?? null,
    last_id: page.at(-1) ?? null,
  };
}

export function anthropicModel(id: string): Record<string, unknown> {
  const words = id.split('-').slice(1);
  const line = words.find((word) => /^(haiku|sonnet|opus|fable|mythos)$/.test(word)) ?? null;
  const numbers = words.filter((word) => /^\d{1,2}$/.test(word)).join('.');
  const day = /-(\d{4})(\d\d)(\d\d)$/.exec(id);
  return {
    type: 'model',
    id,
    display_name: `Claude ${line === null ? words.join(' ') : `${line[0]?.toUpperCase()}${line.slice(1)} ${numbers}`}`,
    created_at: day === null ? '2026-06-01T00:00:00Z' : `${day[1]}-${day[2]}-${day[3]}T00:00:00Z`,
    max_input_tokens: 200_000,
    max_tokens: 64_000,
    lifecycle: 'active',
    line,
    deprecated_at: null,
    retires_at: null,
    capabilities: null,
  };
}
