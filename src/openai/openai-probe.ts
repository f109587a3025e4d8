/** Models that think first: they refuse `max_tokens`, and one token is too few for them (API reference, "Create chat completion"). */
const THINKING = /^(o\d|gpt-[5-9])/;
const EMBEDDING = /embed/i;
const FEW_TOKENS = 16;

/** The smallest request that this model answers. Servers that are not OpenAI's all know `max_tokens`. */
export function probeOf(model: string): { readonly path: string; readonly body: object } {
  if (EMBEDDING.test(model)) return { path: '/embeddings', body: { model, input: '.' } };
  const limit = THINKING.test(model) ? { max_completion_tokens: FEW_TOKENS } : { max_tokens: 1 };
  return { path: '/chat/completions', body: { model, ...limit, messages: [{ role: 'user', content: '.' }] } };
}
