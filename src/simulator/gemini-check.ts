import { isRecord, listOf, Refusal } from './exchange.ts';
import { signatureFits } from './speech.ts';

/** What the Gemini API refuses by itself. Field names are camelCase; snake_case is accepted as well. */

const FIELDS: Readonly<Record<string, ReadonlySet<string>>> = {
  generateContent: new Set(
    `model contents systemInstruction tools toolConfig safetySettings generationConfig cachedContent labels store
     serviceTier`.split(/\s+/),
  ),
  countTokens: new Set(['model', 'contents', 'generateContentRequest']),
  embedContent: new Set(
    'model content taskType title outputDimensionality embedContentConfig autoTruncate'.split(' '),
  ),
  batchEmbedContents: new Set(['model', 'requests']),
};

/**
 * What stands for a signature on calls that other models made, taken without a look
 * (https://ai.google.dev/gemini-api/docs/thought-signatures).
 */
const STAND_INS: ReadonlySet<unknown> = new Set([
  'skip_thought_signature_validator',
  'context_engineering_is_the_way_to_go',
]);

/** A field by its camelCase name, whichever spelling the client used. */
export function field(record: unknown, name: string): unknown {
  if (!isRecord(record)) return undefined;
  return record[name] ?? record[name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)];
}

/** The contents as a list; a single object is legal. */
export function contentsOf(body: unknown): readonly unknown[] {
  const contents = field(body, 'contents');
  return isRecord(contents) ? [contents] : listOf(contents);
}

export function partsOf(content: unknown): readonly Record<string, unknown>[] {
  const parts = field(content, 'parts');
  return (isRecord(parts) ? [parts] : listOf(parts)).filter(isRecord);
}

/** The body of the verb, found sound. @throws Refusal */
export function checkedRequest(json: unknown, verb: string): Record<string, unknown> {
  if (!isRecord(json)) throw new Refusal(400, 'Invalid JSON payload received. Expected an object.');
  const known = FIELDS[verb === 'streamGenerateContent' ? 'generateContent' : verb];
  for (const name of Object.keys(json)) {
    const camel = name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
    if (known?.has(camel) === false) {
      throw new Refusal(400, `Invalid JSON payload received. Unknown name "${name}": Cannot find field.`);
    }
  }
  return json;
}

/** Contents of a generation: present, with valid roles, and with their signatures as they were given. @throws Refusal */
export function checkContents(body: unknown, model: string, seed: string): readonly unknown[] {
  const contents = contentsOf(body);
  if (contents.length === 0) {
    throw new Refusal(400, '* GenerateContentRequest.contents: contents is not specified\n');
  }
  for (const [n, content] of contents.entries()) {
    const role = field(content, 'role');
    if (role !== undefined && role !== 'user' && role !== 'model' && role !== 'function') {
      throw new Refusal(400, 'Please use a valid role: user, model.');
    }
    const parts = partsOf(content);
    if (parts.length === 0) {
      throw new Refusal(
        400,
        `* GenerateContentRequest.contents[${n}].parts: contents.parts must not be empty.\n`,
      );
    }
    for (const part of parts) {
      const signature = field(part, 'thoughtSignature');
      const taken = STAND_INS.has(signature) || signatureFits(seed, signature, 'gemini');
      if (signature !== undefined && !taken) {
        throw new Refusal(400, 'Thought signature is not valid.');
      }
    }
    // The first call of each step has the signature; models of the third generation insist on it.
    const calls = parts.filter((part) => field(part, 'functionCall') !== undefined);
    const bare = calls.length > 0 && field(calls[0], 'thoughtSignature') === undefined;
    if (bare && model.startsWith('gemini-3')) {
      throw new Refusal(400, 'Function call is missing a thought_signature in functionCall parts.');
    }
  }
  const calls = contents.flatMap((content) => partsOf(content)).filter((part) => field(part, 'functionCall'));
  const answers = contents
    .flatMap((content) => partsOf(content))
    .filter((part) => field(part, 'functionResponse'));
  if (answers.length > calls.length) {
    throw new Refusal(
      400,
      'Please ensure that function response turn comes immediately after a function call turn.',
    );
  }
  return contents;
}
