import { readOpenaiCall } from '../../dialects/openai-call.ts';
import { NO_USAGE } from '../../dialects/dialect.ts';
import { translatable, translate } from '../translation.ts';

/** By OpenAI's API reference, "Create embeddings", and https://ai.google.dev/api/embeddings. */
const asked = async (body: object) => {
  const call = await readOpenaiCall({
    route: 'embeddings',
    headers: {},
    body: Buffer.from(JSON.stringify({ model: 'public', ...body })),
  });
  return { call, translation: translate(call, 'gemini', 'gemini-embedding-001') };
};
const ABOUT = { requestId: 'r', now: 0 };

async function answered(body: object, document: object, usage = NO_USAGE): Promise<unknown> {
  const { translation } = await asked(body);
  const translator = translation.answer({ ...ABOUT, usage: () => usage });
  translator.push(Buffer.from(JSON.stringify(document)));
  return JSON.parse(Buffer.from(translator.finish()!).toString()) as unknown;
}

describe('embeddings of OpenAI’s clients by Gemini', () => {
  it('are one request for each text', async () => {
    const { translation } = await asked({ input: ['one', 'two'], dimensions: 64, user: 'ada' });
    expect(translation.edits).toEqual(['translated:openai>gemini', 'left-out:user']);
    expect(translation.call).toMatchObject({
      dialect: 'gemini',
      operation: 'batch-embed',
      lane: 'generate',
      model: 'gemini-embedding-001',
      framing: 'json',
    });
    const request = (text: string) => ({
      model: 'models/gemini-embedding-001',
      content: { parts: [{ text }] },
      outputDimensionality: 64,
    });
    expect(JSON.parse(translation.call.body.toString())).toEqual({
      requests: [request('one'), request('two')],
    });
  });

  it('are told in OpenAI’s shape, as numbers or as the bytes of 32-bit floats', async () => {
    const document = { embeddings: [{ values: [0.5, -2] }, { values: [1] }] };
    const used = { ...NO_USAGE, inputTokens: 5 };
    expect(await answered({ input: ['a', 'b'] }, document, used)).toEqual({
      object: 'list',
      model: 'public',
      data: [
        { object: 'embedding', index: 0, embedding: [0.5, -2] },
        { object: 'embedding', index: 1, embedding: [1] },
      ],
      usage: { prompt_tokens: 5, total_tokens: 5 },
    });
    // 0.5 is 3f000000, -2 is c0000000, 1 is 3f800000 (IEEE 754), the last byte first.
    expect(await answered({ input: ['a', 'b'], encoding_format: 'base64' }, document)).toMatchObject({
      data: [{ embedding: 'AAAAPwAAAMA=' }, { embedding: 'AACAPw==' }],
    });
  });

  it('have the usage that is booked where Gemini tells none', async () => {
    const body = { input: 'sixteen letters.' };
    const { call } = await asked(body);
    const tokens = Math.ceil(call.body.length / 4);
    expect(await answered(body, { embeddings: [{ values: [1] }] })).toMatchObject({
      usage: { prompt_tokens: tokens, total_tokens: tokens },
    });
  });

  it.each<[object, string]>([
    [{ input: [1, 2] }, 'input: is in tokens'],
    [{ input: [[1], [2]] }, 'input: is in tokens'],
    [{ input: [] }, 'input: must not be empty'],
    [{ input: '' }, 'input: must not be empty'],
    [{ input: ['a', ''] }, 'input[1]: must not be empty'],
    [{ input: ['a', null] }, 'input[1]: must be a string'],
    [{ input: 'a', encoding_format: 'int8' }, 'encoding_format: must be'],
    [{ input: 'a', dimensions: 'many' }, 'dimensions: must be a number'],
    [{ input: 'a', input_type: 'query' }, 'input_type: has no equivalent'],
    [{ input: 'a', constructor: 1 }, 'constructor: has no equivalent'],
  ])('refuse %j', async (body, words) => {
    await expect(asked(body)).rejects.toThrow(words);
  });

  it('are of no more texts than OpenAI takes', async () => {
    const texts = (count: number) => Array.from({ length: count }, () => 'a');
    await expect(asked({ input: texts(2_049) })).rejects.toThrow('input: must have at most 2048 texts');
    await expect(asked({ input: texts(2_048) })).resolves.toBeDefined();
  });

  it.each([{ embeddings: [] }, { embeddings: [{ values: ['1'] }] }, { embedding: {} }, [null]])(
    'are none when the answer is %j',
    async (document) => {
      await expect(answered({ input: 'a' }, document)).rejects.toThrow('The answer has');
    },
  );

  it('reach accounts that embed, and no others', () => {
    const ways = (['anthropic', 'gemini', 'bedrock-converse', 'openai'] as const).filter((to) =>
      translatable('openai', to, 'embed'),
    );
    expect(ways).toEqual(['gemini']);
    expect(translatable('gemini', 'openai', 'embed')).toBe(false);
  });
});
