import type { AccountDirectory } from '../accounts/account-directory.ts';
import type { ApiKey } from '../keys/api-key.ts';
import type { Account } from '../upstream/account.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { UpstreamRegistry } from '../upstream/upstream-registry.ts';
import { CandidateMemo } from './candidate-memo.ts';

const call = { dialect: 'anthropic', operation: 'generate', model: 'claude-x' } as const;

function account(id: string, more: Partial<Account> = {}): Account {
  const base = { id, version: 1n, name: id, kind: 'claude', enabled: true, models: null, groups: [] };
  return { ...base, ...more } as unknown as Account;
}

function key(more: Partial<ApiKey> = {}): ApiKey {
  const base = { id: 'key', models: ['*'], accounts: null, groups: null, bindingPolicy: 'strict' };
  return { ...base, ...more } as unknown as ApiKey;
}

function memoOf(accounts: readonly Account[]) {
  const directory = { list: accounts, all: () => directory.list };
  const registry = new UpstreamRegistry();
  const speaks = () => ['anthropic'] as const;
  registry.register({ kind: 'claude', speaks, defaultModels: ['claude-*'] } as unknown as Upstream);
  registry.register({ kind: 'other', speaks: () => ['openai'], defaultModels: ['*'] } as unknown as Upstream);
  return { directory, memo: new CandidateMemo(directory as unknown as AccountDirectory, registry) };
}

describe('who may serve a call, remembered', () => {
  it('is one array for all keys that are bound alike, until an account changes', () => {
    const { memo, directory } = memoOf([account('a'), account('b', { groups: ['g'] })]);
    const first = memo.of(call, key({ id: 'first' }));
    expect(memo.of(call, key({ id: 'second', bindingPolicy: 'fallback' }))).toBe(first);
    expect(first.map(({ accountId }) => accountId)).toEqual(['a', 'b']);

    const bound = memo.of(call, key({ id: 'third', groups: ['g'] }));
    expect(bound.map(({ accountId, tier }) => [accountId, tier])).toEqual([['b', 1]]);
    expect(memo.of(call, key({ id: 'fourth', groups: ['g'] }))).toBe(bound);
    expect(memo.of(call, key({ id: 'fifth', groups: ['g'], bindingPolicy: 'fallback' }))).toHaveLength(2);

    directory.list = [account('a', { enabled: false })];
    expect(memo.of(call, key({ id: 'first' }))).toEqual([]);
  });

  it('is nobody for a key that may not call the model, whoever was remembered for others', () => {
    const { memo } = memoOf([account('a')]);
    expect(memo.of(call, key())).toHaveLength(1);
    expect(memo.of(call, key({ models: ['gpt-*'] }))).toEqual([]);
    expect(memo.of({ ...call, otherModels: ['claude-y'] }, key({ models: ['claude-x'] }))).toEqual([]);
    expect(memo.with(call, key({ models: [] })).considered.ids).toEqual(new Set(['a']));
  });

  it('tells them apart by how they are asked', () => {
    const mapped = { map: { 'claude-x': 'inner' } };
    const accounts = [
      account('a'),
      account('b', { models: mapped }),
      account('c'),
      account('d', { kind: 'other' }),
    ];
    const { manners } = memoOf(accounts).memo.with(call, key());
    expect(
      manners.map(({ dialect, model, candidates }) => [
        dialect,
        model,
        candidates.map((one) => one.accountId),
      ]),
    ).toEqual([
      ['anthropic', 'claude-x', ['a', 'c']],
      ['anthropic', 'inner', ['b']],
      ['openai', 'claude-x', ['d']],
    ]);
  });

  it('tells how one of them is asked by the settings that it was chosen from, whatever has changed since', () => {
    const mapped = (name: string): Account => account('b', { models: { map: { 'claude-x': name } } });
    const { memo, directory } = memoOf([account('a'), mapped('inner')]);
    const known = memo.with(call, key());
    directory.list = [mapped('other')];
    const way = memo.wayTo(call, known, 'b');
    expect(way).toMatchObject({ account: { id: 'b' }, model: 'inner', dialect: 'anthropic' });
    expect(memo.wayTo(call, known, 'b')).toBe(way);
    expect(memo.wayTo(call, known, 'elsewhere')).toBeUndefined();
    expect(memo.wayTo(call, memo.with(call, key()), 'b')).toMatchObject({ model: 'other' });
  });

  it('is one array, too, for all calls that cannot be said in the same manners', () => {
    const accounts = [account('a'), account('b', { models: { map: { 'claude-x': 'inner' } } }), account('c')];
    const { memo } = memoOf(accounts);
    const known = memo.with(call, key());
    const unable = new Set(known.manners.filter(({ model }) => model === 'inner'));
    const { pool, unsaid } = memo.without(known, unable);
    expect([pool.map(({ accountId }) => accountId), unsaid]).toEqual([['a', 'c'], ['b']]);
    expect(memo.without(known, new Set(unable)).pool).toBe(pool);
    expect(memo.without(known, new Set()).pool).toBe(known.candidates);
    const others = new Set(known.manners.filter(({ model }) => model !== 'inner'));
    expect(memo.without(known, others)).toMatchObject({ pool: [{ accountId: 'b' }], unsaid: ['a', 'c'] });
  });

  it('remembers no more than 200 models for one key, and answers all the same', () => {
    const { memo } = memoOf([account('a', { models: { allow: ['*'] } })]);
    const [busy, calm] = [key({ id: 'busy' }), key({ id: 'calm' })];
    for (let at = 0; at < 200; at += 1) memo.of({ ...call, model: `m-${at}` }, busy);
    const one = { ...call, model: 'one-more' };
    expect(memo.of(one, busy)).toHaveLength(1);
    expect(memo.of(one, busy)).not.toBe(memo.of(one, busy));
    expect(memo.of(one, calm)).toBe(memo.of(one, busy));
  });
});
