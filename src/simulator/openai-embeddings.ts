import type { Exchange } from './exchange.ts';
import { withoutDirectives } from './faults.ts';
import { bodyOf } from './openai-check.ts';
import { invalid, missing, OpenaiRefusal, wrongType, wrongValue } from './openai-error.ts';
import { noSuchModel, openaiModelExists } from './openai-models.ts';
import { digestOf, tokensIn } from './speech.ts';

const FIELDS = new Set(['input', 'model', 'dimensions', 'encoding_format', 'user']);
/** API reference, "Create embeddings": "The input must not exceed … 2048 dimensions or less". */
const MAX_INPUTS = 2048;

type Input = string | readonly number[];

/** `POST /v1/embeddings`. @throws OpenaiRefusal naming the field */
export function embeddings({ json, fault }: Exchange): object {
  const body = bodyOf(json);
  const other = Object.keys(body).find((name) => !FIELDS.has(name));
  if (other !== undefined) throw new OpenaiRefusal(400, `Unrecognized request argument supplied: ${other}`);
  const model = String(body['model']);
  const inputs = inputsOf(body['input']);
  if (!openaiModelExists(model, 'embeddings')) throw noSuchModel(model);
  const format = body['encoding_format'] ?? 'float';
  if (format !== 'float' && format !== 'base64') {
    throw wrongValue('encoding_format', format, ['float', 'base64']);
  }
  const size = body['dimensions'] ?? 16;
  if (!Number.isInteger(size) || Number(size) < 1) throw wrongType('dimensions', 'a positive integer', size);
  const tokens =
    fault.inputTokens ??
    inputs.reduce(
      (sum, one) =>
        sum + (typeof one === 'string' ? tokensIn(Buffer.byteLength(withoutDirectives(one))) : one.length),
      0,
    );
  return {
    object: 'list',
    data: inputs.map((input, index) => ({
      object: 'embedding',
      index,
      embedding: vector(input, Number(size), format),
    })),
    model,
    ...(fault.usage === 'missing' ? {} : { usage: { prompt_tokens: tokens, total_tokens: tokens } }),
  };
}

/** Where directives stand: the last text. */
export function lastInputText(input: unknown): string {
  const last: unknown = Array.isArray(input) ? input.at(-1) : input;
  return typeof last === 'string' ? last : '';
}

function inputsOf(input: unknown): readonly Input[] {
  if (input === undefined) throw missing('input');
  const isTokens = (value: unknown): value is number[] =>
    Array.isArray(value) && value.length > 0 && value.every((one) => Number.isInteger(one));
  const inputs = (typeof input === 'string' || isTokens(input) ? [input] : input) as unknown;
  if (!Array.isArray(inputs))
    throw wrongType('input', 'one of a string, an array of strings or tokens', input);
  if (inputs.length === 0 || inputs.length > MAX_INPUTS || inputs.includes('')) {
    throw invalid(
      'input',
      undefined,
      "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference.",
    );
  }
  const at = inputs.findIndex((one) => typeof one !== 'string' && !isTokens(one));
  if (at >= 0) throw wrongType(`input[${at}]`, 'a string', inputs[at]);
  return inputs as Input[];
}

/** The SDK asks for base64 of little-endian floats unless it is told otherwise. */
function vector(input: Input, size: number, format: 'float' | 'base64'): readonly number[] | string {
  const digest = digestOf(typeof input === 'string' ? input : input.join());
  const values = Array.from(
    { length: size },
    (_, n) => Number.parseInt(digest.slice((n * 2) % 64, ((n * 2) % 64) + 2), 16) / 256,
  );
  if (format === 'float') return values;
  return Buffer.from(Float32Array.from(values).buffer).toString('base64');
}
