/** Frames and documents of chat completions, by hand after the API reference, for the server that sends what no simulator does. */

export const frame = (data: object | string): string =>
  `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;
export const DONE = frame('[DONE]');

const CHUNK = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'gpt-4.1-2025' };

const delta = (fields: object, finish: string | null = null): string =>
  frame({
    ...CHUNK,
    choices: [{ index: 0, delta: fields, logprobs: null, finish_reason: finish }],
    usage: null,
  });
export const usageAlone = (usage: object): string => frame({ ...CHUNK, choices: [], usage });

export const USAGE = {
  prompt_tokens: 100,
  completion_tokens: 20,
  total_tokens: 120,
  prompt_tokens_details: { cached_tokens: 40, audio_tokens: 0 },
  completion_tokens_details: { reasoning_tokens: 5, audio_tokens: 0 },
};
/** The ledger's disjoint classes of {@link USAGE}. */
export const BOOKED = {
  input_tokens: '60',
  cache_read_tokens: '40',
  cache_write_5m_tokens: '0',
  cache_write_1h_tokens: '0',
  output_tokens: '20',
  reasoning_tokens: '5',
};

/** What was asked for decides whether the chunk of usage comes. */
export const TEXT = [
  delta({ role: 'assistant', content: '' }),
  delta({ content: 'Good ' }),
  delta({ content: 'naïve day 🙂' }),
  delta({}, 'stop'),
];
export const STREAM = [...TEXT, usageAlone(USAGE), DONE];

export const completion = (message: object, finish = 'stop'): object => ({
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1,
  model: 'gpt-4.1-2025',
  choices: [
    {
      index: 0,
      message: { role: 'assistant', content: null, refusal: null, ...message },
      finish_reason: finish,
    },
  ],
  usage: USAGE,
});
