/** The `error` object of a vendor's error document (Anthropic, Gemini, OpenAI); undefined = the body is none. */
export function errorIn(body: Buffer): Readonly<Record<string, unknown>> | undefined {
  try {
    let document: unknown = JSON.parse(body.toString('utf8'));
    if (Array.isArray(document)) document = document[0];
    const error = (document as { readonly error?: unknown } | null)?.error;
    return typeof error === 'object' && error !== null ? (error as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
