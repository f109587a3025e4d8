import type { AxiosResponse } from 'axios';
import { randomUUID } from 'node:crypto';
import { OpenAPIClientAxios, type OpenAPIClient } from 'openapi-client-axios';
import { Readiness } from '../../src/health/readiness.ts';
import { apiDocument, type Operation } from '../support/openapi.ts';
import { ADMIN_TOKEN, Rehearsal } from '../support/relay.ts';

/**
 * Every operation of the document, called through a client that knows nothing but the document: once with success,
 * and once with a refusal that is documented. What the client gets is held against the document by `Rehearsal`.
 */

const METRICS_TOKEN = 'metrics-token-of-this-test';
const CLAUDE_MODEL = 'claude-sonnet-5';
const GEMINI_MODEL = 'gemini-sim-one';
const OPENAI_MODEL = 'gpt-4.1';
const EMBEDDING_MODEL = 'text-embedding-3-small';
const BEDROCK_MODEL = 'us.anthropic.claude-haiku-4-5-20251001-v1:0';

interface Ask {
  readonly parameters?: Readonly<Record<string, string | number | boolean | readonly string[]>>;
  readonly body?: unknown;
  /** Instead of the right one. */
  readonly credential?: string;
}
interface Pair {
  readonly good: Ask | (() => Promise<Ask>);
  /** Undefined: nothing is refused here. */
  readonly bad?: Ask & { readonly status: number };
}

const operations = new Map<string, Operation>(
  Object.values(apiDocument.paths)
    .flatMap((item) => Object.values(item))
    .map((operation) => [operation.operationId, operation]),
);

let rehearsal: Rehearsal;
let client: OpenAPIClient;
let key: string;
const called = new Map<string, Set<number>>();

async function ask(id: string, { parameters = {}, body, credential }: Ask): Promise<AxiosResponse<unknown>> {
  const call = (client as unknown as Record<string, OpenAPIClient['request']>)[id];
  const operation = operations.get(id);
  if (call === undefined || operation === undefined) throw new Error(`There is no operation ${id}`);
  const scheme = Object.keys(operation.security?.[0] ?? {})[0];
  const right = { admin: ADMIN_TOKEN, key, metrics: METRICS_TOKEN }[scheme ?? ''];
  const headers = scheme === undefined ? {} : { authorization: `Bearer ${credential ?? right}` };
  const answer = await (call as (...told: unknown[]) => Promise<AxiosResponse<unknown>>)(parameters, body, {
    headers,
  });
  called.set(id, (called.get(id) ?? new Set()).add(answer.status));
  return answer;
}

beforeAll(async () => {
  rehearsal = await Rehearsal.start({ RELAY_METRICS_TOKEN: METRICS_TOKEN });
  await rehearsal.claudeAccount({ models: { allow: [CLAUDE_MODEL] } });
  await rehearsal.geminiAccount({ models: { allow: [GEMINI_MODEL, 'tunedModels/sim-one'] } });
  await rehearsal.openaiAccount({ models: { allow: [OPENAI_MODEL, EMBEDDING_MODEL] } });
  await rehearsal.bedrockAccount({ models: { allow: [BEDROCK_MODEL] } });
  key = (await rehearsal.key()).key;
  const api = new OpenAPIClientAxios({
    definition: apiDocument as never,
    // Lists as the document says: the parameter repeated, which is not how axios does it by itself.
    axiosConfigDefaults: {
      baseURL: rehearsal.url,
      validateStatus: () => true,
      paramsSerializer: { indexes: null },
    },
  });
  client = await api.init();
});
afterEach(() => rehearsal.quiet());
afterAll(() => rehearsal.close());

const nobody = randomUUID();
const WRONG = 'wrong';
const range = { from: '2026-01-01', to: '2099-01-01T00:00:00Z' };
const page = { limit: 2 };
const forged = { parameters: { cursor: 'forged' }, status: 400 };
const byId = (id: string): Ask => ({ parameters: { id } });
const missing = { ...byId(nobody), status: 404 };
const stranger = { credential: WRONG, status: 401 };
const account = (): Promise<{ readonly id: string }> =>
  rehearsal.claudeAccount({ enabled: false, models: { allow: ['nothing'] } });
const group = (): Promise<{ readonly id: string }> =>
  rehearsal.create('account-groups', { name: `group ${randomUUID()}` }) as Promise<{ id: string }>;
const team = (): Promise<{ readonly id: string }> =>
  rehearsal.create('teams', { name: `team ${randomUUID()}` }) as Promise<{ id: string }>;
const newKey = (): Promise<{ readonly id: string }> => rehearsal.key();
const ofNew =
  (make: () => Promise<{ readonly id: string }>, body?: unknown): (() => Promise<Ask>) =>
  async () => ({ ...byId((await make()).id), body });
const unknownField = (body: object = {}) => ({ body: { ...body, unknown: true }, status: 400 });

const ADMIN: Readonly<Record<string, Pair>> = {
  createAccount: {
    good: { body: { name: 'made', kind: 'claude', credentials: { apiKey: 'sk-ant-sim-made' } } },
    bad: unknownField({ name: 'made', kind: 'claude', credentials: { apiKey: 'sk' } }),
  },
  listAccounts: { good: { parameters: page }, bad: forged },
  getAccount: { good: ofNew(account), bad: missing },
  updateAccount: { good: ofNew(account, { priority: 7, models: null }), bad: missing },
  deleteAccount: { good: ofNew(account), bad: missing },
  testAccount: { good: ofNew(account), bad: missing },
  clearAccountCooldowns: { good: ofNew(account), bad: missing },
  createAccountGroup: { good: { body: { name: 'pool', accounts: [] } }, bad: unknownField({ name: 'p' }) },
  listAccountGroups: { good: { parameters: page }, bad: forged },
  getAccountGroup: { good: ofNew(group), bad: missing },
  updateAccountGroup: { good: ofNew(group, { accounts: [] }), bad: missing },
  deleteAccountGroup: { good: ofNew(group), bad: missing },
  createKey: {
    good: { body: { name: 'made', scopes: ['claude'], models: ['*'], expiresAt: '2099-01-01T00:00:00Z' } },
    bad: unknownField({ name: 'made' }),
  },
  listKeys: { good: { parameters: page }, bad: forged },
  getKey: { good: ofNew(newKey), bad: missing },
  updateKey: { good: ofNew(newKey, { tags: ['a'], limits: { concurrency: 2 } }), bad: missing },
  deleteKey: { good: ofNew(newKey), bad: missing },
  rotateKey: { good: ofNew(newKey, { overlapSeconds: 60 }), bad: { ...missing, body: {} } },
  revokeKey: { good: ofNew(newKey), bad: missing },
  createTeam: {
    good: { body: { name: 'made', limits: { budgets: [{ period: 'day', usd: '25.00' }] } } },
    bad: unknownField({ name: 'made' }),
  },
  listTeams: { good: { parameters: page }, bad: forged },
  getTeam: { good: ofNew(team), bad: missing },
  updateTeam: { good: ofNew(team, { limits: { requestsPerMinute: 60 }, parent: null }), bad: missing },
  deleteTeam: { good: ofNew(team), bad: missing },
  getScheduler: { good: {}, bad: { credential: 'ra_wrong', status: 401 } },
  explainChoice: {
    good: async () => ({ body: { keyId: (await newKey()).id, door: 'claude', model: CLAUDE_MODEL } }),
    bad: { body: { keyId: nobody, door: 'claude', model: CLAUDE_MODEL }, status: 400 },
  },
  getUsage: {
    good: { parameters: { ...range, groupBy: ['key', 'account', 'model', 'kind', 'day', 'outcome'] } },
    bad: { parameters: { groupBy: ['colour'] }, status: 400 },
  },
  getUsageCsv: {
    good: { parameters: { ...range, groupBy: ['hour'] } },
    bad: { parameters: { from: 'yesterday' }, status: 400 },
  },
  checkLedger: { good: {}, bad: { credential: 'ra_wrong', status: 401 } },
  listRequests: {
    good: { parameters: { ...range, ...page, model: CLAUDE_MODEL, outcome: 'completed' } },
    bad: { parameters: { key: 'x' }, status: 400 },
  },
  getRequest: {
    good: async () => {
      const [row] = await rehearsal.ledger(1);
      return byId(String(row?.['request_id']));
    },
    bad: missing,
  },
  listPrices: { good: { parameters: { ...page, kind: 'claude' } }, bad: forged },
  putPrice: {
    good: {
      parameters: { model: GEMINI_MODEL },
      body: {
        input: '1.00',
        output: '2.00',
        longContext: [{ above: 1000, input: '2.00', output: '4.00' }],
        serverTools: { web_search_requests: '10' },
      },
    },
    bad: { parameters: { model: GEMINI_MODEL }, body: { input: 1 }, status: 400 },
  },
  reprice: { good: { body: range }, bad: { body: { from: 'yesterday' }, status: 400 } },
  listAudit: { good: { parameters: { limit: 200 } }, bad: forged },
};

const version = { 'anthropic-version': '2023-06-01' };
const messages = { model: CLAUDE_MODEL, messages: [{ role: 'user', content: 'Hello' }] };
const contents = { contents: [{ role: 'user', parts: [{ text: 'Hello' }] }] };
const invoked = { anthropic_version: 'bedrock-2023-05-31', messages: messages.messages, max_tokens: 16 };
const conversed = { messages: [{ role: 'user', content: [{ text: 'Hello' }] }] };
const unknownModel = { parameters: { model: 'amazon.unknown-v1:0' }, status: 404 };
const embedding = { content: { parts: [{ text: 'Hello' }] } };

/** By the end of the path, because the same routes stand under several prefixes. */
const DOORS: readonly [end: RegExp, Pair][] = [
  [
    /\/messages$/,
    {
      good: { parameters: { ...version, beta: true }, body: { ...messages, max_tokens: 16 } },
      bad: {
        parameters: version,
        body: { ...messages, model: 'claude-unknown', max_tokens: 16 },
        status: 404,
      },
    },
  ],
  [/\/count_tokens$/, { good: { parameters: version, body: messages }, bad: { body: {}, status: 400 } }],
  [
    /\/chat\/completions$/,
    {
      good: { body: { model: OPENAI_MODEL, messages: messages.messages } },
      bad: { body: { model: 'gpt-unknown', messages: [] }, status: 404 },
    },
  ],
  [
    /\/embeddings$/,
    { good: { body: { model: EMBEDDING_MODEL, input: 'Hello' } }, bad: { body: {}, status: 400 } },
  ],
  [
    /\/responses$/,
    {
      good: { body: { model: OPENAI_MODEL, input: 'Hello' } },
      bad: { body: { model: OPENAI_MODEL, input: 'Hello', previous_response_id: 'resp_1' }, status: 400 },
    },
  ],
  [/\/invoke(-with-response-stream)?$/, { good: { body: invoked }, bad: { ...unknownModel, body: invoked } }],
  [/\/converse(-stream)?$/, { good: { body: conversed }, bad: { ...unknownModel, body: conversed } }],
  [
    /\/count-tokens$/,
    { good: { body: { input: { converse: conversed } } }, bad: { body: { input: {} }, status: 400 } },
  ],
  [/\/hello$/, { good: {} }],
  [/\/v1\/models$/, { good: {}, bad: stranger }],
  [/\/models$/, { good: { parameters: { pageSize: 1 } }, bad: stranger }],
  [/:(generateContent|countTokens)$/, { good: { body: contents }, bad: { body: [], status: 400 } }],
  [/:streamGenerateContent$/, { good: { body: contents }, bad: { body: [], status: 400 } }],
  [/:embedContent$/, { good: { body: embedding }, bad: { body: [], status: 400 } }],
  [/:batchEmbedContents$/, { good: { body: { requests: [embedding] } }, bad: { body: [], status: 400 } }],
  [/\/models\/\{model\}$/, { good: {}, bad: { parameters: { model: 'unknown' }, status: 404 } }],
  [/\/tunedModels\/\{model\}$/, { good: {}, bad: { parameters: { model: 'unknown' }, status: 404 } }],
];

/** The model that a path of a door names. */
const modelIn = (path: string): string => {
  if (path.includes('/tunedModels/')) return 'sim-one';
  if (path.startsWith('/openai/')) return OPENAI_MODEL;
  if (/\/model\//.test(path)) return BEDROCK_MODEL;
  return /^\/(gemini|v1beta)/.test(path) ? GEMINI_MODEL : CLAUDE_MODEL;
};

const doors: readonly [id: string, pair: Pair][] = Object.entries(apiDocument.paths)
  .filter(([path]) => /^\/(v1|v1beta|claude|gemini|openai|bedrock|model|api)\//.test(path))
  .flatMap(([path, item]) =>
    Object.values(item).map(({ operationId }): [string, Pair] => {
      const [, pair] = DOORS.find(([end]) => end.test(path)) ?? [];
      if (pair === undefined) throw new Error(`This test does not know what to ask of ${path}`);
      if (!path.includes('{model}')) return [operationId, pair];
      const told = (one: Ask): Ask => ({ ...one, parameters: { model: modelIn(path), ...one.parameters } });
      const bad = pair.bad && { ...told(pair.bad), status: pair.bad.status };
      return [operationId, { good: told(pair.good as Ask), ...(bad && { bad }) }];
    }),
  );

const OWN: Readonly<Record<string, Pair>> = {
  getMe: { good: {}, bad: stranger },
  getMyUsage: {
    good: { parameters: { ...range, groupBy: ['model'] } },
    bad: { parameters: { groupBy: ['key'] }, status: 400 },
  },
  getLiveness: { good: {} },
  getMetrics: { good: {}, bad: stranger },
  getOpenApi: { good: {}, bad: stranger },
  getDocs: { good: {}, bad: stranger },
};

describe('a client generated from openapi.json', () => {
  it.each([...doors, ...Object.entries(ADMIN), ...Object.entries(OWN)])('calls %s', async (id, pair) => {
    const { good, bad } = pair;
    const wanted = Object.keys(operations.get(id)?.responses ?? {}).find((status) => status.startsWith('2'));
    const answer = await ask(id, typeof good === 'function' ? await good() : good);
    expect([String(answer.status), answer.status >= 400 && answer.data]).toEqual([wanted, false]);
    if (bad === undefined) return;
    const refused = await ask(id, bad);
    expect([refused.status, refused.status !== bad.status && refused.data]).toEqual([bad.status, false]);
    expect(operations.get(id)?.responses).toHaveProperty(String(bad.status));
  });

  it('calls getReadiness before and while the relay leaves', async () => {
    expect((await ask('getReadiness', {})).data).toEqual({ status: 'ready' });
    rehearsal.replica(0).app.get(Readiness).startDraining();
    expect((await ask('getReadiness', {})).data).toEqual({ status: 'draining' });
  });

  it('has called every operation, well and badly', () => {
    const silent = [...operations.values()].filter(({ operationId, responses }) => {
      const statuses = [...(called.get(operationId) ?? [])];
      const refuses = Object.keys(responses).some((status) => !status.startsWith('2'));
      const badly = statuses.some((status) => status >= 400);
      return !statuses.some((status) => status < 300) || refuses !== badly;
    });
    expect(silent.map(({ operationId }) => operationId)).toEqual([]);
  });
});
