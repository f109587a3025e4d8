import { MODEL, promptFor, requestBody, type Wish } from './messages.ts';

/** How llm-relay is asked: by Anthropic's form, or by one that it translates; `bedrock` is Anthropic's, for an account there. */
export type Door = 'claude' | 'openai' | 'gemini' | 'bedrock';

export interface Question {
  readonly wish: Wish;
  readonly bodyBytes?: number;
  /** Of llm-relay; whatever else is asked takes Anthropic's. */
  readonly door?: Exclude<Door, 'claude'>;
}

/** A whole request, head and body. */
export function requestOf({ wish, bodyBytes }: Question, door: Door, key: string): Buffer {
  switch (door) {
    case 'claude':
    case 'bedrock':
      return post(
        '/v1/messages',
        `anthropic-version: 2023-06-01\r\nx-api-key: ${key}`,
        requestBody(wish, bodyBytes),
      );
    case 'openai':
      return post('/v1/chat/completions', `authorization: Bearer ${key}`, openaiBody(wish, bodyBytes));
    case 'gemini': {
      const method = wish === 'json' ? 'generateContent' : 'streamGenerateContent?alt=sse';
      return post(`/v1beta/models/${MODEL}:${method}`, `x-goog-api-key: ${key}`, geminiBody(wish, bodyBytes));
    }
  }
}

function post(path: string, header: string, body: string): Buffer {
  return Buffer.from(
    `POST ${path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n${header}\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

function openaiBody(wish: Wish, bytes?: number): string {
  return JSON.stringify({
    model: MODEL,
    max_tokens: 1024,
    ...(wish === 'json' ? {} : { stream: true }),
    messages: [{ role: 'user', content: promptFor(wish, bytes) }],
  });
}

function geminiBody(wish: Wish, bytes?: number): string {
  return JSON.stringify({
    contents: [{ role: 'user', parts: [{ text: promptFor(wish, bytes) }] }],
    generationConfig: { maxOutputTokens: 1024 },
  });
}
