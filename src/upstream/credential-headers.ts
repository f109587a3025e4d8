/** Wherever a key could travel: a leftover beside the account's own would leak ours and may be believed first. */
const CREDENTIAL_HEADERS = new Set([
  'api-key',
  'authorization',
  'cookie',
  'proxy-authorization',
  'x-amz-security-token',
  'x-api-key',
  'x-goog-api-key',
]);

/** The request's headers with the account's credential, and with no other. */
export function withCredential(
  headers: Readonly<Record<string, string>>,
  name: string,
  value: string,
): Readonly<Record<string, string>> {
  const signed: Record<string, string> = {};
  for (const [header, text] of Object.entries(headers)) {
    if (!CREDENTIAL_HEADERS.has(header.toLowerCase())) signed[header] = text;
  }
  signed[name] = value;
  return signed;
}
