import type { CreatedAccount, Rehearsal } from './relay.ts';

/** One way to hold an account, and one way to ask it in its own dialect. */
export interface Kind {
  readonly title: string;
  /** A model of it, by a name that clients use. */
  readonly model: string;
  /** What the account's base URL is below its origin. */
  readonly below: string;
  account(rehearsal: Rehearsal, more: object): Promise<CreatedAccount>;
  credentials(secret: string): Readonly<Record<string, string>>;
  /** How a credential with this secret goes up; for signatures the header alone. */
  readonly header: string;
  sent(secret: string): string | RegExp;
  ask(model: string, text: string): { readonly path: string; readonly body: object };
  /** The vendor's words for a mistake of the caller's, with its headers. */
  refusal(message: string): { readonly body: object; readonly headers?: Readonly<Record<string, string>> };
}

const messages = (text: string) => [{ role: 'user', content: text }];

const anthropic = {
  model: 'claude-sonnet-5',
  below: '',
  ask: (model: string, text: string) => ({
    path: '/v1/messages',
    body: { model, max_tokens: 64, messages: messages(text) },
  }),
  refusal: (message: string) => ({
    body: { type: 'error', error: { type: 'invalid_request_error', message } },
  }),
};
const byKey = {
  header: 'x-api-key',
  credentials: (apiKey: string) => ({ apiKey }),
  sent: (key: string) => key,
};
const byToken = { header: 'authorization', sent: (token: string) => `Bearer ${token}` };
const bedrock = {
  model: 'claude-haiku-4-5',
  below: '',
  account: (rehearsal: Rehearsal, more: object) => rehearsal.bedrockAccount(more),
  header: 'authorization',
  refusal: (message: string) => ({
    body: { message },
    headers: { 'x-amzn-errortype': 'ValidationException:http://internal.amazon.com/' },
  }),
};
const region = 'us-east-1';
const accessKeyId = 'AKIASIMEVERYKIND0000';

/** Every kind of account, and every way to sign in that is sent in another form. */
export const KINDS: readonly Kind[] = [
  {
    ...anthropic,
    ...byKey,
    title: 'claude',
    account: (rehearsal, more) => rehearsal.claudeAccount(more),
  },
  {
    ...anthropic,
    ...byToken,
    title: 'claude with a token',
    account: (rehearsal, more) => rehearsal.claudeAccount(more),
    credentials: (accessToken) => ({ accessToken }),
  },
  {
    ...anthropic,
    ...byKey,
    title: 'claude-console',
    account: (rehearsal, more) => rehearsal.consoleAccount(more),
  },
  {
    ...anthropic,
    ...byToken,
    title: 'ccr with a token',
    account: (rehearsal, more) => rehearsal.ccrAccount(more),
    credentials: (authToken) => ({ authToken }),
  },
  {
    ...byKey,
    title: 'gemini',
    header: 'x-goog-api-key',
    model: 'gemini-2.5-flash',
    below: '',
    account: (rehearsal, more) => rehearsal.geminiAccount(more),
    ask: (model, text) => ({
      path: `/v1beta/models/${model}:generateContent`,
      body: { contents: [{ role: 'user', parts: [{ text }] }] },
    }),
    refusal: (message) => ({ body: { error: { code: 400, message, status: 'INVALID_ARGUMENT' } } }),
  },
  {
    ...byToken,
    title: 'openai-compatible',
    model: 'gpt-4.1',
    below: '/v1',
    account: (rehearsal, more) => rehearsal.openaiAccount(more),
    credentials: (apiKey) => ({ apiKey }),
    ask: (model, text) => ({
      path: '/openai/v1/chat/completions',
      body: { model, messages: messages(text) },
    }),
    refusal: (message) => ({
      body: { error: { message, type: 'invalid_request_error', param: null, code: null } },
    }),
  },
  {
    ...bedrock,
    ...byToken,
    title: 'bedrock with an API key',
    credentials: (apiKey) => ({ region, apiKey }),
    ask: anthropic.ask,
  },
  {
    ...bedrock,
    title: 'bedrock with keys of AWS, by its own door',
    model: 'amazon.nova-pro-v1:0',
    credentials: (secretAccessKey) => ({
      region,
      accessKeyId,
      secretAccessKey,
      sessionToken: `session-${secretAccessKey}`,
    }),
    sent: () => new RegExp(`^AWS4-HMAC-SHA256 Credential=${accessKeyId}/`),
    ask: (model, text) => ({
      path: `/bedrock/model/${encodeURIComponent(model)}/converse`,
      body: { messages: [{ role: 'user', content: [{ text }] }] },
    }),
  },
];
