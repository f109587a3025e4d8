import { anthropicModel, anthropicModelPage } from './anthropic-models.ts';
import { CallError, type ModelCard } from './dialect.ts';
import { geminiModel, geminiModelPage } from './gemini-models.ts';
import { openaiModel, openaiModelPage } from './openai-models.ts';

const card = (id: string, createdAt = '2025-01-01T00:00:00Z', raw?: Record<string, unknown>): ModelCard => ({
  id,
  displayName: id.toUpperCase(),
  createdAt,
  ...(raw ? { raw } : {}),
});

const CARDS = [
  card('b', '2025-02-01T00:00:00Z'),
  card('e'),
  card('a', '2025-03-01T00:00:00Z'),
  card('c'),
  card('d'),
];

describe("Anthropic's list of models", () => {
  const page = (query: string): unknown => anthropicModelPage(CARDS, new URLSearchParams(query));
  const ids = (query: string): string =>
    (page(query) as { data: { id: string }[] }).data.map(({ id }) => id).join('');

  it('has the newest first, in the shape of the vendor', () => {
    expect(page('limit=1')).toEqual({
      data: [{ type: 'model', id: 'a', display_name: 'A', created_at: '2025-03-01T00:00:00Z' }],
      has_more: true,
      first_id: 'a',
      last_id: 'a',
    });
    expect(ids('')).toBe('abcde');
    expect(anthropicModelPage([], new URLSearchParams())).toEqual({
      data: [],
      has_more: false,
      first_id: null,
      last_id: null,
    });
  });

  it.each([
    ['limit=2', 'ab', true],
    ['limit=2&after_id=b', 'cd', true],
    ['limit=2&after_id=d', 'e', false],
    ['limit=2&after_id=e', '', false],
    ['limit=2&before_id=e', 'cd', true],
    ['limit=2&before_id=c', 'ab', false],
    ['limit=2&before_id=a', '', false],
    ['limit=9&after_id=a&before_id=d', 'bc', false],
    ['limit=1&after_id=a&before_id=d', 'b', true],
  ])('pages by %s', (query, expected, more) => {
    expect(ids(query)).toBe(expected);
    expect(page(query)).toMatchObject({ has_more: more });
  });

  it.each(['limit=0', 'limit=1001', 'limit=-1', 'limit=x', 'limit=1e2', 'after_id=zz', 'before_id=zz'])(
    'refuses %s',
    (query) => expect(() => page(query)).toThrow(CallError),
  );

  it("passes the vendor's own entry on, under the public name", () => {
    expect(anthropicModel(card('mine', undefined, { id: 'theirs', max_tokens: 5, type: 'x' }))).toEqual({
      type: 'model',
      id: 'mine',
      display_name: 'MINE',
      created_at: '2025-01-01T00:00:00Z',
      max_tokens: 5,
    });
  });
});

describe("Gemini's list of models", () => {
  it('comes in pages until it is told', () => {
    const seen: unknown[] = [];
    let token = '';
    for (let pages = 0; pages < 3; pages += 1) {
      const query = new URLSearchParams({ pageSize: '2', pageToken: token });
      const page = geminiModelPage(CARDS, query) as { models: { name: string }[]; nextPageToken?: string };
      seen.push(page.models.map(({ name }) => name));
      token = page.nextPageToken ?? '';
    }
    expect(seen).toEqual([['models/a', 'models/b'], ['models/c', 'models/d'], ['models/e']]);
    expect(token).toBe('');
  });

  it('refuses a page token that is none of its own, and a size that is none', () => {
    for (const query of ['pageToken=%2F', 'pageToken=a', 'pageSize=-1', 'pageSize=x']) {
      expect(() => geminiModelPage(CARDS, new URLSearchParams(query))).toThrow(CallError);
    }
    expect(geminiModelPage(CARDS, new URLSearchParams('pageSize=5000'))).toMatchObject({
      models: { length: 5 },
    });
  });

  it('names models as resources, with what can be done with them', () => {
    expect(geminiModel(card('gemini-x'))).toEqual({
      name: 'models/gemini-x',
      displayName: 'GEMINI-X',
      supportedGenerationMethods: ['generateContent', 'countTokens'],
    });
    expect(geminiModel(card('tunedModels/x'))).toMatchObject({ name: 'tunedModels/x' });
    expect(geminiModel(card('gemini-embedding-001'))).toMatchObject({
      supportedGenerationMethods: ['embedContent', 'batchEmbedContents'],
    });
    expect(geminiModel(card('mine', undefined, { name: 'models/theirs', inputTokenLimit: 9 }))).toMatchObject(
      {
        name: 'models/mine',
        inputTokenLimit: 9,
      },
    );
  });
});

describe("OpenAI's list of models", () => {
  it('is one page', () => {
    expect(openaiModelPage(CARDS.slice(0, 2))).toEqual({
      object: 'list',
      data: [
        { id: 'b', object: 'model', created: 1738368000, owned_by: 'relay' },
        { id: 'e', object: 'model', created: 1735689600, owned_by: 'relay' },
      ],
    });
    expect(openaiModel(card('x', 'unknown'))).toMatchObject({ created: 0 });
  });
});
