import { CallError, type ModelCard } from './dialect.ts';
import { pageLimit } from './model-page.ts';

const PREFIX = 'models/';

/**
 * GET /v1beta/models: by name; `pageSize` 50 unless told, never more than 1,000; `pageToken` is the name that the
 * last page ended with, in base64url.
 * @throws CallError for a size or a token that makes no sense.
 */
export function geminiModelPage(cards: readonly ModelCard[], query: URLSearchParams): object {
  const sorted = [...cards].sort((a, b) => (a.id < b.id ? -1 : 1));
  const size = Math.min(pageLimit(query, 'pageSize', 50, 999_999), 1_000);
  const after = readToken(query.get('pageToken') ?? '');
  const rest = sorted.filter(({ id }) => after === '' || id > after);
  const page = rest.slice(0, size);
  const last = page[page.length - 1];
  return {
    models: page.map(geminiModel),
    ...(last && rest.length > size ? { nextPageToken: Buffer.from(last.id).toString('base64url') } : {}),
  };
}

/** GET /v1beta/models/{model}. */
export function geminiModel(card: ModelCard): Record<string, unknown> {
  return {
    displayName: card.displayName,
    supportedGenerationMethods: methods(card.id),
    ...card.raw,
    name: card.id.includes('/') ? card.id : PREFIX + card.id,
  };
}

function methods(id: string): string[] {
  return id.includes('embedding')
    ? ['embedContent', 'batchEmbedContents']
    : ['generateContent', 'countTokens'];
}

function readToken(token: string): string {
  const name = Buffer.from(token, 'base64url');
  if (name.toString('base64url') === token) return name.toString();
  throw new CallError('pageToken: is not one of ours');
}
