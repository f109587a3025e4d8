import { BYTES_PER_TOKEN } from '../../dialects/bytes-per-token.ts';
import { type Call, CallError, type Usage } from '../../dialects/dialect.ts';
import { cannot } from '../cannot.ts';
import { Fields } from '../fields.ts';
import { resourceName } from '../gemini/write-request.ts';
import type { TranslatedEmbedding } from '../sides.ts';

/** "any array must be 2048 dimensions or less" (API reference, "Create embeddings", `input`). */
const MAX_INPUTS = 2_048;

/**
 * OpenAI's `POST /embeddings` (`EmbeddingCreateParams` of openai 6.49) as Gemini's `batchEmbedContents`
 * (https://ai.google.dev/api/embeddings), which takes one text as well as many and answers in their order. The numbers
 * are Gemini's own: shortened ones are not of length 1, as OpenAI's are.
 * @throws CallError that names the field
 */
export function openaiByGemini(call: Call, model: string): TranslatedEmbedding {
  const body = Fields.of(JSON.parse(call.body.toString('utf8')), '');
  body.take('model');
  const texts = readInput(body);
  const dimensions = body.number('dimensions');
  const format = body.text('encoding_format') ?? 'float';
  if (format !== 'float' && format !== 'base64') {
    throw new CallError('encoding_format: must be float or base64');
  }
  const edits = body.atOf('user') === undefined ? [] : ['left-out:user'];
  body.take('user'); // abuse detection of OpenAI's own
  const [unknown] = body.rest();
  if (unknown !== undefined) throw cannot(unknown.at);

  const name = resourceName(model);
  const size = dimensions === undefined ? {} : { outputDimensionality: dimensions };
  const requests = texts.map((text) => ({ model: name, content: { parts: [{ text }] }, ...size }));
  const estimate = Math.ceil(call.body.length / BYTES_PER_TOKEN);
  return {
    operation: 'batch-embed',
    body: Buffer.from(JSON.stringify({ requests })),
    edits,
    document(answer, usage) {
      const data = readEmbeddings(answer, texts.length).map((values, index) => ({
        object: 'embedding',
        index,
        embedding: format === 'base64' ? base64(values) : values,
      }));
      return { object: 'list', data, model: call.model, usage: usageOf(usage, estimate) };
    },
  };
}

function readInput(body: Fields): readonly string[] {
  const value = body.take('input');
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (list.length === 0) throw new CallError('input: must not be empty');
  if (list.length > MAX_INPUTS) throw new CallError(`input: must have at most ${MAX_INPUTS} texts`);
  return list.map((one, i) => {
    const at = Array.isArray(value) ? `input[${i}]` : 'input';
    if (typeof one === 'string' && one !== '') return one;
    if (typeof one === 'string') throw new CallError(`${at}: must not be empty`);
    if (typeof one === 'number' || Array.isArray(one)) {
      throw cannot('input', 'is in tokens of OpenAI’s, which no other vendor knows; send text');
    }
    throw new CallError(`${at}: must be a string`);
  });
}

function readEmbeddings(answer: unknown, count: number): readonly (readonly number[])[] {
  const embeddings = (answer as { readonly embeddings?: unknown } | null)?.embeddings;
  if (!Array.isArray(embeddings) || embeddings.length !== count) {
    throw new Error('The answer has not as many embeddings as there were texts');
  }
  return embeddings.map((one) => {
    const values = (one as { readonly values?: unknown } | null)?.values;
    if (!Array.isArray(values) || !values.every((value) => typeof value === 'number')) {
      throw new Error('The answer has an embedding without numbers');
    }
    return values;
  });
}

/** Little-endian floats of 32 bits, which OpenAI's SDKs ask for unless told otherwise. */
function base64(values: readonly number[]): string {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [i, value] of values.entries()) bytes.writeFloatLE(value, i * 4);
  return bytes.toString('base64');
}

/** Gemini tells no usage of embeddings as a rule; then the client is told the estimate that is booked. */
function usageOf({ inputTokens, cacheReadTokens }: Usage, estimate: number): object {
  const told = inputTokens + cacheReadTokens;
  const tokens = told > 0 ? told : estimate;
  return { prompt_tokens: tokens, total_tokens: tokens };
}
