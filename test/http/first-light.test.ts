import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenAI } from '@google/genai';
import { Rehearsal } from '../support/relay.ts';

describe('one stream, from socket to ledger', () => {
  let rehearsal: Rehearsal;
  let key: string;

  beforeAll(async () => {
    rehearsal = await Rehearsal.start();
    await rehearsal.claudeAccount();
    await rehearsal.geminiAccount();
    key = (await rehearsal.key()).key;
  });
  afterEach(() => rehearsal.quiet());
  afterAll(() => rehearsal.close());

  it('relays a Claude stream through the official SDK and books what it cost', async () => {
    const client = new Anthropic({ baseURL: rehearsal.url, apiKey: key });
    const stream = client.messages.stream({
      model: 'claude-sonnet-5',
      max_tokens: 200,
      messages: [{ role: 'user', content: 'Hello [[sim: say="Good morning, Ada."]]' }],
    });
    const message = await stream.finalMessage();
    expect(message.content).toMatchObject([{ type: 'text', text: 'Good morning, Ada.' }]);

    const [row] = await rehearsal.ledger(1);
    expect(row).toMatchObject({
      outcome: 'completed',
      kind: 'claude',
      door: 'claude',
      model: 'claude-sonnet-5',
      input_tokens: String(message.usage.input_tokens),
      output_tokens: String(message.usage.output_tokens),
      estimated: false,
    });
    expect(BigInt(row?.['cost_nanos'] as string)).toBeGreaterThan(0n);
  });

  it('relays a Gemini stream through the official SDK and books what it cost', async () => {
    const client = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: rehearsal.url } });
    const stream = await client.models.generateContentStream({
      model: 'gemini-2.5-flash',
      contents: 'Hello [[sim: say="Guten Tag."]]',
    });
    let text = '';
    for await (const chunk of stream) text += chunk.text ?? '';
    expect(text).toBe('Guten Tag.');
    const rows = await rehearsal.ledger(2);
    expect(rows[1]).toMatchObject({ outcome: 'completed', kind: 'gemini', door: 'gemini', estimated: false });
  });

  it('tells the key about itself, with the headers of every relay answer', async () => {
    const answer = await fetch(`${rehearsal.url}/me`, {
      headers: { 'x-api-key': key, 'x-request-id': 'mine' },
    });
    expect(await answer.json()).toMatchObject({ name: 'tests', models: ['*'] });
    expect(answer.headers.get('x-relay-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    expect(answer.headers.get('x-relay-client-request-id')).toBe('mine');
    expect([answer.headers.get('x-relay-edits'), answer.headers.get('x-relay-attempts')]).toEqual([
      'none',
      '0',
    ]);
  });
});
