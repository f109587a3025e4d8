/** OpenAI's models that think first, also under a gateway's `openai/` (API reference, `max_tokens`: "not compatible with o-series models"). */
const THINKING = /(^|\/)(o\d|gpt-[5-9])/;

/**
 * The field that bounds an answer. OpenAI's thinking models refuse `max_tokens`; whatever else speaks chat completions
 * knows it, and often only it.
 */
export function limitField(model: string): 'max_completion_tokens' | 'max_tokens' {
  return THINKING.test(model) ? 'max_completion_tokens' : 'max_tokens';
}
