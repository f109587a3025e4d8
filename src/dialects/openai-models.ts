import type { ModelCard } from './dialect.ts';
import { newestFirst } from './model-page.ts';

/** GET /v1/models: the whole list at once, as OpenAI's has no pages. */
export function openaiModelPage(cards: readonly ModelCard[]): object {
  return { object: 'list', data: newestFirst(cards).map(openaiModel) };
}

/** GET /v1/models/{id}; `created` in seconds since 1970. */
export function openaiModel(card: ModelCard): Record<string, unknown> {
  const created = Math.floor(Date.parse(card.createdAt) / 1000);
  return {
    created: Number.isFinite(created) ? created : 0,
    owned_by: 'relay',
    ...card.raw,
    object: 'model',
    id: card.id,
  };
}
