import { Refusal } from './exchange.ts';

const GENERATING =
  `gemini-3.5-flash gemini-3.5-flash-lite gemini-3.1-pro-preview gemini-3.1-flash-lite gemini-3-pro-preview
gemini-3-flash-preview gemini-2.5-pro gemini-2.5-flash gemini-2.5-flash-lite gemini-2.0-flash gemini-2.0-flash-001
gemini-2.0-flash-lite gemini-pro-latest gemini-flash-latest gemini-flash-lite-latest`.split(/\s+/);
const EMBEDDING = ['gemini-embedding-001', 'text-embedding-004'];
const ALL = [...GENERATING, ...EMBEDDING];

/** `gemini-sim-…` and `tunedModels/sim-…` always exist, and do both. */
export function geminiModelServes(model: string, verb: string): boolean {
  if (/^(gemini-sim-|tunedModels\/sim-)/.test(model)) return true;
  const embeds = verb === 'embedContent' || verb === 'batchEmbedContents';
  if (verb === 'get' || verb === 'countTokens') return ALL.includes(model);
  return (embeds ? EMBEDDING : GENERATING).includes(model);
}

/** `GET /v1beta/models` a page at a time. @throws Refusal */
export function listGeminiModels(query: URLSearchParams): Record<string, unknown> {
  const size = Math.min(Number(query.get('pageSize') ?? 50) || 50, 1000);
  const token = query.get('pageToken') ?? '';
  const start =
    token === ''
      ? 0
      : Number(
          Buffer.from(token, 'base64url')
            .toString()
            .replace(/^page /, ''),
        );
  if (!Number.isInteger(start) || start < 0) throw new Refusal(400, 'Page token is not valid.');
  const end = start + size;
  return {
    models: ALL.slice(start, end).map(geminiModel),
    ...(end < ALL.length ? { nextPageToken: Buffer.from(`page ${end}`).toString('base64url') } : {}),
  };
}

export function geminiModel(id: string): Record<string, unknown> {
  const embeds = EMBEDDING.includes(id);
  return {
    name: id.includes('/') ? id : `models/${id}`,
    version: '001',
    displayName: id.replace(
      /(^|-)([a-z])/g,
      (_, dash: string, letter: string) => (dash && ' ') + letter.toUpperCase(),
    ),
    description: 'A model of the simulator.',
    inputTokenLimit: embeds ? 2048 : 1_048_576,
    outputTokenLimit: embeds ? 1 : 65_536,
    supportedGenerationMethods: embeds
      ? ['embedContent', 'batchEmbedContents']
      : ['generateContent', 'countTokens', 'createCachedContent', 'batchGenerateContent'],
    ...(embeds ? {} : { temperature: 1, topP: 0.95, topK: 64, maxTemperature: 2, thinking: true }),
  };
}
