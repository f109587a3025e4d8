import { limitField } from '../dialects/openai-limit.ts';

const EMBEDDING = /embed/i;
/** Of a model that thinks first; one token is too few for it (API reference, "Create chat completion"). */
const FEW_TOKENS = 16;

/** The smallest request that this model answers. */
export function probeOf(model: string): { readonly path: string; readonly body: object } {
  if (EMBEDDING.test(model)) return { path: '/embeddings', body: { model, input: '.' } };
  const field = limitField(model);
  const limit = { [field]: field === 'max_tokens' ? 1 : FEW_TOKENS };
  return { path: '/chat/completions', body: { model, ...limit, messages: [{ role: 'user', content: '.' }] } };
}
