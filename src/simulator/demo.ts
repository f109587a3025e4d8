import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenAI } from '@google/genai';
import { demoAdmin, type LedgerRequest } from './demo-admin.ts';
import { demoUsage, ledgerTable } from './demo-text.ts';

export interface DemoOptions {
  /** `http://host:port` of a running relay. */
  readonly relayUrl: string;
  readonly adminToken: string;
  /** Where the relay's accounts shall point; the relay must be allowed to reach it. */
  readonly simulatorUrl: string;
  /** Takes text as it comes, line ends included. */
  readonly print: (text: string) => void;
}

const CLAUDE = 'claude-sonnet-5';
const GEMINI = 'gemini-2.5-flash';

/** The questions, each with what the simulator is to say. */
const SHELF =
  'What is on the shelf by the window? [[sim: every=60 say="By the window stand three books: a herbal, an atlas of the stars 🔭, and the novel that everybody asks for — Die Brücke am Fluß."]]';
const AUTHOR =
  'And who wrote the novel? [[sim: every=60 say="Nobody knows for certain; the title page says only 川のほとりにて, written by the river, and a year that has been rubbed out."]]';
const RETURN =
  'Until when may I keep it? [[sim: say="Until the swallows come back 🐦, or three weeks, whichever is later."]]';

/** Long enough to be worth caching: the first call writes it to the prompt cache, the second reads it. */
const SYSTEM =
  'You are the keeper of a small library by the river. Answer briefly, kindly and exactly. '.repeat(20);

/**
 * Makes two accounts and a key by the administrators' API (again and again the same ones, by name), relays a Claude
 * stream, a Gemini stream and a JSON call with the vendors' own SDKs, and shows what the ledger made of them.
 * Speaks to the relay by HTTP only. @throws Error when the relay does not do what it should
 */
export async function runDemo(options: DemoOptions): Promise<{ readonly key: string }> {
  const { relayUrl, simulatorUrl, print } = options;
  const admin = demoAdmin(relayUrl, options.adminToken);
  await admin.account('demo-claude', 'claude', simulatorUrl, { apiKey: 'sk-ant-sim-demo' });
  await admin.account('demo-gemini', 'gemini', simulatorUrl, { apiKey: 'gemini-sim-demo' });
  const key = await admin.key('demo', ['claude', 'gemini']);
  const anthropic = new Anthropic({ baseURL: relayUrl, apiKey: key });
  const google = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: relayUrl } });
  await serving(anthropic, google);

  print(`\nA Claude stream through the relay (@anthropic-ai/sdk, ${CLAUDE}):\n\n  `);
  const ids = [await claudeStream(anthropic, print)];
  print(`\n\nA Gemini stream through the relay (@google/genai, ${GEMINI}):\n\n  `);
  ids.push(await geminiStream(google, print));
  print(`\n\nA JSON answer through the relay (@anthropic-ai/sdk, ${CLAUDE}):\n\n  `);
  ids.push(await claudeJson(anthropic, print));

  const rows: LedgerRequest[] = [];
  for (const id of ids) rows.push(await admin.settled(id));
  print(`\n\nWhat the ledger says (GET /admin/v1/requests):\n\n${ledgerTable(rows)}\n`);
  print(demoUsage(relayUrl, simulatorUrl, key, CLAUDE, GEMINI));
  return { key };
}

async function claudeStream(client: Anthropic, print: (text: string) => void): Promise<string> {
  const { data, response } = await client.messages
    .create({
      model: CLAUDE,
      max_tokens: 500,
      stream: true,
      system: [{ type: 'text', text: SYSTEM, cache_control: { type: 'ephemeral' } }],
      messages: [{ role: 'user', content: SHELF }],
    })
    .withResponse();
  for await (const event of data) {
    if (event.type === 'content_block_delta' && event.delta.type === 'text_delta') print(event.delta.text);
  }
  return requestId(response.headers.get('x-relay-request-id'));
}

async function geminiStream(client: GoogleGenAI, print: (text: string) => void): Promise<string> {
  const stream = await client.models.generateContentStream({
    model: GEMINI,
    contents: AUTHOR,
    config: { thinkingConfig: { thinkingBudget: 128 } },
  });
  let id: string | undefined;
  for await (const frame of stream) {
    id ??= frame.sdkHttpResponse?.headers?.['x-relay-request-id'];
    print((frame.candidates?.[0]?.content?.parts ?? []).map((part) => part.text ?? '').join(''));
  }
  return requestId(id);
}

async function claudeJson(client: Anthropic, print: (text: string) => void): Promise<string> {
  const { data, response } = await client.messages
    .create({
      model: CLAUDE,
      max_tokens: 500,
      system: [{ type: 'text', text: SYSTEM, cache_control: { type: 'ephemeral' } }],
      messages: [{ role: 'user', content: RETURN }],
    })
    .withResponse();
  for (const block of data.content) if (block.type === 'text') print(block.text);
  return requestId(response.headers.get('x-relay-request-id'));
}

/** New accounts and keys reach every part of the relay within seconds. */
async function serving(anthropic: Anthropic, google: GoogleGenAI): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    try {
      await anthropic.messages.countTokens({
        model: CLAUDE,
        messages: [{ role: 'user', content: 'ready?' }],
      });
      await google.models.countTokens({ model: GEMINI, contents: 'ready?' });
      return;
    } catch (error) {
      if (tries === 20) throw error;
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }
}

function requestId(id: string | null | undefined): string {
  if (id === null || id === undefined) throw new Error('The answer has no x-relay-request-id');
  return id;
}
