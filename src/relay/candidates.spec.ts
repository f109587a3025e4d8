import type { ApiKey } from '../keys/api-key.ts';
import type { Account } from '../upstream/account.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { candidatesFor, mayCall, modelFamily, tierOf, upstreamModel } from './candidates.ts';

const upstream = {
  kind: 'k',
  speaks: () => ['anthropic'],
  defaultModels: ['claude-*'],
} as unknown as Upstream;

function account(id: string, more: Partial<Account> = {}): Account {
  const base = {
    version: 1n,
    name: id,
    kind: 'k',
    baseUrl: null,
    priority: 50,
    weight: 1,
    maxConcurrency: 0,
  };
  const rest = {
    models: null,
    groups: [],
    onClientLeave: 'cancel' as const,
    enabled: true,
    credentialsVersion: 1,
    settings: {},
  };
  return { id, ...base, ...rest, ...more };
}

function key(more: Partial<ApiKey> = {}): ApiKey {
  const base = { id: 'key', version: 1n, name: 'n', prefix: 'rk_', scopes: ['claude'], models: ['*'] };
  const none = {
    accounts: null,
    groups: null,
    maxConcurrency: null,
    bounds: [],
    expiresAt: null,
    revokedAt: null,
  };
  return { ...base, ...none, bindingPolicy: 'strict', tags: [], enabled: true, ...more };
}

const call = { dialect: 'anthropic', operation: 'generate', model: 'claude-x' } as const;
const ids = (
  accounts: Account[],
  of: ApiKey,
  kind: (kind: string) => Upstream | undefined = () => upstream,
) => candidatesFor(call, of, accounts, kind).map(({ accountId, tier }) => `${accountId}@${tier}`);

describe('the model policy of an account', () => {
  it('serves its kind by default, its literal and pattern allows, and its own map', () => {
    expect(upstreamModel(account('a'), upstream, 'claude-x')).toBe('claude-x');
    expect(upstreamModel(account('a'), upstream, 'gpt-x')).toBeUndefined();
    const own = account('a', { models: { allow: ['gpt-*'], map: { 'claude-x': 'inner' } } });
    expect(upstreamModel(own, upstream, 'gpt-x')).toBe('gpt-x');
    expect(upstreamModel(own, upstream, 'claude-x')).toBe('inner');
    expect(upstreamModel(own, upstream, 'claude-y')).toBeUndefined();
  });

  it('takes no inherited property for a mapped name', () => {
    expect(
      upstreamModel(account('a', { models: { map: {}, allow: [] } }), upstream, 'constructor'),
    ).toBeUndefined();
  });
});

describe('the models of a key', () => {
  it('are none by default, and every model that the body names must be among them', () => {
    const beside = { ...call, otherModels: ['claude-opus'] };
    expect(mayCall(key({ models: [] }), call)).toBe(false);
    expect(mayCall(key({ models: ['claude-x'] }), call)).toBe(true);
    expect(mayCall(key({ models: ['claude-x'] }), beside)).toBe(false);
    expect(mayCall(key(), beside)).toBe(true);
  });
});

describe('who may serve a call', () => {
  it('is nobody disabled, unknown or of another dialect', () => {
    expect(ids([account('a', { enabled: false })], key())).toEqual([]);
    expect(ids([account('a')], key(), () => undefined)).toEqual([]);
    expect(ids([account('a')], key(), () => ({ ...upstream, speaks: () => ['bedrock-invoke'] }))).toEqual([]);
  });

  it('is every account for an unbound key, in one tier', () => {
    expect(ids([account('a'), account('b')], key())).toEqual(['a@0', 'b@0']);
  });

  it('is the binding for a strict key: accounts first, then groups in their order', () => {
    const accounts = [
      account('a'),
      account('b', { groups: ['g1'] }),
      account('c', { groups: ['g2', 'g1'] }),
      account('d'),
    ];
    expect(ids(accounts, key({ accounts: ['d'], groups: ['g2', 'g1'] }))).toEqual(['b@2', 'c@1', 'd@0']);
  });

  it('adds the shared pool last for a key that may fall back', () => {
    expect(ids([account('a'), account('b')], key({ accounts: ['b'], bindingPolicy: 'fallback' }))).toEqual([
      'a@1',
      'b@0',
    ]);
    expect(tierOf(key({ groups: [], bindingPolicy: 'strict' }), account('a'))).toBeUndefined();
  });
});

describe('a model family', () => {
  it('is the name without its date or revision', () => {
    expect(modelFamily('claude-sonnet-4-5-20250929')).toBe('claude-sonnet-4-5');
    expect(modelFamily('gemini-2.0-flash-001')).toBe('gemini-2.0-flash');
    expect(modelFamily('claude-3-7-sonnet-latest')).toBe('claude-3-7-sonnet');
    expect(modelFamily('gemini-2.5-pro')).toBe('gemini-2.5-pro');
  });
});
