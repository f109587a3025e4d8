import type { ModelCard } from './dialect.ts';
import { newestFirst, pageLimit, placeOf } from './model-page.ts';

/**
 * GET /v1/models: newest first; `limit` 1 to 1,000, 20 unless told; `after_id` or `before_id`.
 * @throws CallError for a limit or a cursor that makes no sense.
 */
export function anthropicModelPage(cards: readonly ModelCard[], query: URLSearchParams): object {
  const sorted = newestFirst(cards);
  const limit = pageLimit(query, 'limit', 20, 1_000);
  const after = placeOf(sorted, query, 'after_id');
  const before = placeOf(sorted, query, 'before_id');

  const start = after === undefined ? 0 : after + 1;
  const end = before ?? sorted.length;
  const backwards = before !== undefined && after === undefined;
  const from = backwards ? Math.max(start, end - limit) : start;
  const data = sorted.slice(from, Math.min(end, from + limit)).map(anthropicModel);
  return {
    data,
    has_more: backwards ? from > start : from + limit < end,
    first_id: data[0]?.['id'] ?? null,
    last_id: data[data.length - 1]?.['id'] ?? null,
  };
}

/** GET /v1/models/{id}. */
export function anthropicModel(card: ModelCard): Record<string, unknown> {
  return {
    display_name: card.displayName,
    created_at: card.createdAt,
    ...card.raw,
    type: 'model',
    id: card.id,
  };
}
