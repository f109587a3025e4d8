import { VENDOR_MODELS } from '../upstream/default-models.ts';
import { objectsAt, readJson, textAt, valueAt } from '../upstream/json-fields.ts';
import { oauthRefresh } from '../upstream/oauth-refresh.ts';
import { probeModel } from '../upstream/probe-model.ts';
import { urlBelow } from '../upstream/url-below.ts';
import type { Account } from '../upstream/account.ts';
import type { ListedUpstream } from '../upstream/upstream.ts';
import { checkClaudeCredentials, signClaude } from './claude.credentials.ts';
import { claudeHeadroom } from './claude.headroom.ts';
import { judgeClaude } from './claude.verdict.ts';

const ORIGIN = 'https://api.anthropic.com';
/** The oldest version still spoken, for the relay's own requests: it takes the fewest things amiss. */
const OWN_HEADERS = { accept: 'application/json', 'anthropic-version': '2023-06-01' };

const baseOf = (account: Account): string => account.baseUrl ?? ORIGIN;

/** Anthropic's own API, by an API key or an organisation's bearer token. */
export const claude: ListedUpstream = {
  kind: 'claude',
  speaks: () => ['anthropic'],
  defaultBaseUrl: ORIGIN,
  defaultModels: VENDOR_MODELS.anthropic.patterns,

  checkCredentials: checkClaudeCredentials,
  credentialUrls: ['tokenUrl'],
  sign: (request, credentials) => signClaude(request.headers, credentials),
  refresh: oauthRefresh,

  // The model stands in the body only, so no client can say anything about the path.
  address(call, account) {
    switch (call.operation) {
      case 'generate':
        return urlBelow(baseOf(account), '/v1/messages', call.query);
      case 'count':
        return urlBelow(baseOf(account), '/v1/messages/count_tokens', call.query);
      case 'embed':
      case 'batch-embed':
        throw new Error('The Messages API has no embeddings');
    }
  },

  judge: (answer) => judgeClaude(answer, Date.now()),
  headroom: (headers) => claudeHeadroom(headers, Date.now()),

  models: {
    request(account, pageToken) {
      const query = new URLSearchParams({ limit: '1000', ...(pageToken && { after_id: pageToken }) });
      const url = urlBelow(baseOf(account), '/v1/models', query.toString());
      return { method: 'GET', url, headers: OWN_HEADERS, body: undefined };
    },
    read(body) {
      const page = readJson(body);
      if (!Array.isArray(valueAt(page, 'data'))) throw new Error('The answer is not a list of models');
      const next = valueAt(page, 'has_more') === true ? textAt(page, 'last_id') : undefined;
      return { models: objectsAt(page, 'data'), next };
    },
    id: (entry) => textAt(entry, 'id'),
  },

  probe(account) {
    const body = {
      model: probeModel(account, VENDOR_MODELS.anthropic.probe),
      max_tokens: 1,
      messages: [{ role: 'user', content: '.' }],
    };
    return {
      method: 'POST',
      url: urlBelow(baseOf(account), '/v1/messages'),
      headers: { ...OWN_HEADERS, 'content-type': 'application/json' },
      body: Buffer.from(JSON.stringify(body)),
    };
  },
};
