import type { Call } from '../dialects/dialect.ts';
import { fieldProblems, tokenProblem } from '../upstream/credential-fields.ts';
import { withCredential } from '../upstream/credential-headers.ts';
import { VENDOR_MODELS } from '../upstream/default-models.ts';
import { objectsAt, readJson, textAt, valueAt } from '../upstream/json-fields.ts';
import { probeModel } from '../upstream/probe-model.ts';
import { pathSegment, urlBelow } from '../upstream/url-below.ts';
import type { Account } from '../upstream/account.ts';
import type { ListedUpstream } from '../upstream/upstream.ts';
import { judgeGemini } from './gemini.verdict.ts';

const ORIGIN = 'https://generativelanguage.googleapis.com';
/** `v1` is a subset of `v1beta`, so a client that asked for it gets what it asked for. */
const VERSION = '/v1beta';
const OWN_HEADERS = { accept: 'application/json' };
/** Query parameters that are the relay's to set, or that Google reads a credential from. */
const NEVER_FORWARDED = ['alt', '$alt', 'key', '$key', 'access_token', 'oauth_token', 'api_key'];

const baseOf = (account: Account): string => account.baseUrl ?? ORIGIN;

/** Google's Gemini API, by an API key in a header and never in a URL. */
export const gemini: ListedUpstream = {
  kind: 'gemini',
  speaks: () => ['gemini'],
  defaultBaseUrl: ORIGIN,
  defaultModels: VENDOR_MODELS.google.patterns,

  checkCredentials(values) {
    const problems = fieldProblems(values, { apiKey: tokenProblem });
    if (values['apiKey'] === undefined && !problems.some(({ field }) => field === 'credentials.apiKey')) {
      problems.push({ field: 'credentials.apiKey', problem: 'must be set' });
    }
    return problems;
  },

  sign({ headers }, { values }) {
    if (values['apiKey'] === undefined) throw new Error('A Gemini account has no apiKey');
    return withCredential(headers, 'x-goog-api-key', values['apiKey']);
  },

  address: (call, account, model) =>
    urlBelow(baseOf(account), `${VERSION}/${modelPath(model)}:${verbOf(call)}`, queryOf(call)),

  judge: (answer) => judgeGemini(answer, Date.now()),

  models: {
    request(account, pageToken) {
      const query = new URLSearchParams({ pageSize: '1000', ...(pageToken && { pageToken }) });
      const url = urlBelow(baseOf(account), `${VERSION}/models`, query.toString());
      return { method: 'GET', url, headers: OWN_HEADERS, body: undefined };
    },
    read(body) {
      const page = readJson(body);
      const listed = valueAt(page, 'models');
      // A project without models answers `{}`; an error or another document is no list.
      const empty =
        page !== null && typeof page === 'object' && !Array.isArray(page) && Object.keys(page).length === 0;
      if (!Array.isArray(listed) && !empty) throw new Error('The answer is not a list of models');
      return { models: objectsAt(page, 'models'), next: textAt(page, 'nextPageToken') || undefined };
    },
    id: (entry) => textAt(entry, 'name')?.replace(/^models\//, ''),
  },

  probe(account) {
    const path = modelPath(probeModel(account, VENDOR_MODELS.google.probe));
    const body = {
      contents: [{ role: 'user', parts: [{ text: '.' }] }],
      generationConfig: { maxOutputTokens: 1 },
    };
    return {
      method: 'POST',
      url: urlBelow(baseOf(account), `${VERSION}/${path}:generateContent`),
      headers: { ...OWN_HEADERS, 'content-type': 'application/json' },
      body: Buffer.from(JSON.stringify(body)),
    };
  },
};

/** The resource name: `models/…` or `tunedModels/…`, the model itself always one segment, whatever it holds. */
function modelPath(model: string): string {
  const [, collection = 'models', name = ''] = /^(?:(models|tunedModels)\/)?(.*)$/s.exec(model) ?? [];
  return `${collection}/${pathSegment(name)}`;
}

function verbOf({ operation, framing }: Call): string {
  switch (operation) {
    case 'generate':
      return framing === 'json' ? 'generateContent' : 'streamGenerateContent';
    case 'count':
      return 'countTokens';
    case 'embed':
      return 'embedContent';
    case 'batch-embed':
      return 'batchEmbedContents';
  }
}

/** The answer travels as the client asked: SSE by `alt=sse`, else one document or the streamed array. */
function queryOf({ query, framing }: Call): string {
  const parameters = new URLSearchParams(query);
  for (const name of NEVER_FORWARDED) parameters.delete(name);
  if (framing === 'sse') parameters.set('alt', 'sse');
  return parameters.toString();
}
