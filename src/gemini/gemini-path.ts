/** A path of the Gemini API, read from the raw URL: routers decode too early and split on the wrong slash. */
export interface GeminiPath {
  readonly version: 'v1' | 'v1beta';
  /** Decoded once; `tunedModels/x` keeps its collection, `models/x` does not. Not validated yet. */
  readonly model: string;
  /** `generateContent` and the like; undefined = the model itself is asked for. */
  readonly verb: string | undefined;
}

const VERBS = new Set([
  'generateContent',
  'streamGenerateContent',
  'countTokens',
  'embedContent',
  'batchEmbedContents',
]);

/**
 * `[/gemini]/v1beta/models/{model}[:verb]`, with the colon as it is or percent-encoded (real-clients, section 1).
 * Undefined when the path is none of ours.
 */
export function readGeminiPath(rawPath: string): GeminiPath | undefined {
  const match = /^(?:\/gemini)?\/(v1|v1beta)\/(models|tunedModels)\/([^/]+)$/.exec(rawPath);
  if (match === null) return undefined;
  const [, version, collection, segment] = match as unknown as [string, 'v1' | 'v1beta', string, string];
  let name: string;
  try {
    name = decodeURIComponent(segment);
  } catch {
    return undefined;
  }
  const colon = name.lastIndexOf(':');
  const verb = colon < 0 ? undefined : name.slice(colon + 1);
  const known = verb !== undefined && VERBS.has(verb);
  if (verb !== undefined && !known) return undefined;
  const model = known ? name.slice(0, colon) : name;
  // Names of models may have a colon, but no verb after it: which of two verbs an upstream obeys is not for us to know.
  if (model.split(':').some((part, at) => at > 0 && VERBS.has(part))) return undefined;
  return { version, model: collection === 'tunedModels' ? `tunedModels/${model}` : model, verb };
}
