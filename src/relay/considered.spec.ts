import type { ApiKey } from '../keys/api-key.ts';
import type { Account } from '../upstream/account.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { consideredFor } from './considered.ts';

const call = { dialect: 'anthropic', operation: 'generate', model: 'claude-x-20260101' } as const;
const key = { accounts: ['bound'], groups: null, bindingPolicy: 'fallback' } as unknown as ApiKey;
const upstream = { speaks: () => ['anthropic'], defaultModels: ['claude-*'] } as unknown as Upstream;

function account(id: string, more: Partial<Account> = {}): Account {
  const base = { id, version: 1n, kind: 'claude', enabled: true, models: null, groups: [], priority: 50 };
  return { ...base, ...more } as unknown as Account;
}

const told = (accounts: readonly Account[]): unknown =>
  JSON.parse(consideredFor(call, key, accounts, () => upstream).text);

describe('the accounts considered, as the ledger keeps them', () => {
  it('are candidates by tier and priority, then the others, with priorities only where they differ', () => {
    const accounts = [
      account('off', { enabled: false, priority: 1 }),
      account('later', { priority: 60 }),
      account('sooner', { priority: 40, models: { map: { 'claude-x-20260101': 'inner' } } }),
      account('bound', { priority: 90 }),
    ];
    expect(told(accounts)).toEqual({
      accounts: [
        { id: 'bound', tier: 0 },
        { id: 'sooner', tier: 1, priority: 40, family: 'inner' },
        { id: 'later', tier: 1, priority: 60 },
        { id: 'off', tier: 1, not: 'disabled' },
      ],
      family: 'claude-x',
      omitted: 0,
    });
  });

  it('have their priorities, too, where only one that is not listed has another', () => {
    const many = Array.from({ length: 16 }, (_, at) => account(`a${at}`));
    const equal = many.map(({ id }) => ({ id, tier: 1 }));
    expect(told(many)).toEqual({ accounts: equal, family: 'claude-x', omitted: 0 });
    expect(told([account('last', { priority: 51 }), ...many])).toMatchObject({
      accounts: many.map(({ id, priority }) => ({ id, priority })),
      omitted: 1,
    });
  });
});
