import { fieldProblems, tokenProblem } from '../../upstream/credential-fields.ts';
import { withCredential } from '../../upstream/credential-headers.ts';
import type { Upstream } from '../../upstream/upstream.ts';
import { claude } from '../claude.upstream.ts';

/**
 * Any server that speaks Anthropic Messages: as Claude, but at an address of its own, by the key or the token that this
 * server gave. Its path prefix is kept, and nothing is renewed.
 */
export const claudeConsole: Upstream = {
  ...claude,
  kind: 'claude-console',
  defaultBaseUrl: undefined,
  credentialUrls: [],
  refresh: () => undefined,

  checkCredentials(values) {
    const problems = fieldProblems(values, { apiKey: tokenProblem, authToken: tokenProblem });
    const given = ['apiKey', 'authToken'].filter((name) => values[name] !== undefined);
    if (given.length === 0)
      problems.push({ field: 'credentials.apiKey', problem: 'must be set, or authToken' });
    if (given.length === 2) {
      problems.push({ field: 'credentials.authToken', problem: 'must not stand beside apiKey' });
    }
    return problems;
  },

  sign({ headers }, { values }) {
    const { apiKey, authToken } = values;
    if (apiKey !== undefined) return withCredential(headers, 'x-api-key', apiKey);
    if (authToken !== undefined) return withCredential(headers, 'authorization', `Bearer ${authToken}`);
    throw new Error('A claude-console account has neither apiKey nor authToken');
  },
};
