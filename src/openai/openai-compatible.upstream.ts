import { fieldProblems, tokenProblem } from '../upstream/credential-fields.ts';
import { withCredential } from '../upstream/credential-headers.ts';
import { VENDOR_MODELS } from '../upstream/default-models.ts';
import { objectsAt, readJson, textAt, valueAt } from '../upstream/json-fields.ts';
import { probeModel } from '../upstream/probe-model.ts';
import { urlBelow } from '../upstream/url-below.ts';
import type { Account } from '../upstream/account.ts';
import type { ListedUpstream } from '../upstream/upstream.ts';
import { openaiHeadroom } from './openai.headroom.ts';
import { judgeOpenai } from './openai.verdict.ts';
import { probeOf } from './openai-probe.ts';

const OWN_HEADERS = { accept: 'application/json' };

/** What comes before `/chat/completions`, for example `https://api.openai.com/v1`. */
function baseOf(account: Account): string {
  if (account.baseUrl === null) throw new Error('An openai-compatible account has no baseUrl');
  return account.baseUrl;
}

/** Any server that speaks chat completions: OpenAI's own, gateways, vLLM, Ollama. */
export const openaiCompatible: ListedUpstream = {
  kind: 'openai-compatible',
  speaks: () => ['openai'],
  defaultBaseUrl: undefined,
  defaultModels: VENDOR_MODELS.openai.patterns,

  /** `apiKey` or `authToken`: two names of one thing, which goes as a bearer token; either may be what the server gave. */
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
    const token = values['apiKey'] ?? values['authToken'];
    if (token === undefined) throw new Error('An openai-compatible account has neither apiKey nor authToken');
    return withCredential(headers, 'authorization', `Bearer ${token}`);
  },

  address(call, account) {
    switch (call.operation) {
      case 'generate':
        return urlBelow(baseOf(account), '/chat/completions');
      case 'embed':
        return urlBelow(baseOf(account), '/embeddings');
      case 'count':
      case 'batch-embed':
        throw new Error(`Chat completions have no ${call.operation}`);
    }
  },

  judge: (answer) => judgeOpenai(answer, Date.now()),
  headroom: (headers) => openaiHeadroom(headers, Date.now()),

  models: {
    request: (account) => ({
      method: 'GET',
      url: urlBelow(baseOf(account), '/models'),
      headers: OWN_HEADERS,
      body: undefined,
    }),
    /** All at once, as `data`; some servers answer the bare list. */
    read(body) {
      const answer = readJson(body);
      const page = Array.isArray(answer) ? { data: answer } : answer;
      if (!Array.isArray(valueAt(page, 'data'))) throw new Error('The answer is not a list of models');
      return { models: objectsAt(page, 'data'), next: undefined };
    },
    id: (entry) => textAt(entry, 'id'),
  },

  probe(account) {
    const { path, body } = probeOf(probeModel(account, VENDOR_MODELS.openai.probe));
    return {
      method: 'POST',
      url: urlBelow(baseOf(account), path),
      headers: { ...OWN_HEADERS, 'content-type': 'application/json' },
      body: Buffer.from(JSON.stringify(body)),
    };
  },
};
