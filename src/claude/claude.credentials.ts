import { fieldProblems, timeProblem, tokenProblem, urlProblem } from '../upstream/credential-fields.ts';
import { withCredential } from '../upstream/credential-headers.ts';
import type { Credentials } from '../upstream/account.ts';
import type { FieldProblem } from '../upstream/upstream.ts';

const printable = (value: unknown): string | undefined =>
  typeof value === 'string' && /^[\x20-\x7e]{1,8192}$/.test(value) ? undefined : 'must be printable ASCII';

const RULES = {
  apiKey: tokenProblem,
  accessToken: tokenProblem,
  refreshToken: tokenProblem,
  expiresAt: timeProblem,
  tokenUrl: urlProblem,
  clientId: printable,
  clientSecret: printable,
};
/** A field and the one it has no use without: nothing is stored that would then be ignored. */
const NEEDS: readonly (readonly [string, string])[] = [
  ['refreshToken', 'tokenUrl'],
  ['tokenUrl', 'refreshToken'],
  ['clientId', 'tokenUrl'],
  ['clientSecret', 'clientId'],
];

/** Either `apiKey`, or `accessToken` with what renews it; never both. */
export function checkClaudeCredentials(values: Readonly<Record<string, unknown>>): readonly FieldProblem[] {
  const given = Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
  const has = (name: string): boolean => Object.hasOwn(given, name);
  const problems = fieldProblems(given, RULES);
  const refuse = (name: string, problem: string): void => {
    problems.push({ field: `credentials.${name}`, problem });
  };
  if (has('apiKey')) {
    for (const name of Object.keys(RULES)) {
      if (name !== 'apiKey' && has(name)) refuse(name, 'must not stand beside apiKey');
    }
    return problems;
  }
  if (!has('accessToken')) refuse('apiKey', 'must be set, or accessToken');
  for (const [name, needed] of NEEDS) {
    if (has(name) && !has(needed)) refuse(needed, `must be set with ${name}`);
  }
  return problems;
}

/** An API key goes into `x-api-key`, an access token into `Authorization: Bearer`; nothing else is added. */
export function signClaude(
  headers: Readonly<Record<string, string>>,
  { values }: Credentials,
): Readonly<Record<string, string>> {
  const { apiKey, accessToken } = values;
  if (apiKey !== undefined) return withCredential(headers, 'x-api-key', apiKey);
  if (accessToken !== undefined) return withCredential(headers, 'authorization', `Bearer ${accessToken}`);
  throw new Error('A Claude account has neither apiKey nor accessToken');
}
