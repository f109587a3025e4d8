import { Injectable } from '@nestjs/common';
import { AccountDirectory } from '../accounts/account-directory.ts';
import type { DialectName } from '../dialects/dialect.ts';
import type { ApiKey } from '../keys/api-key.ts';
import type { Candidate } from '../scheduler/admission.ts';
import type { Account } from '../upstream/account.ts';
import { UpstreamRegistry } from '../upstream/upstream-registry.ts';
import { type AskedCall, candidatesFor, mayCall, type Way, wayTo } from './candidates.ts';
import { type Considered, consideredFor } from './considered.ts';

/** Models remembered for one key; a client that asks for more names than that is answered without memory. */
const MOST_MODELS = 200;
/**
 * Candidates in all lists; beyond it everything is forgotten. One is some 80 bytes, 220 where its pool is ranked, and
 * 100 more where it was chosen.
 */
const MOST_CANDIDATES = 250_000;
/** Of one list, for what calls of it cannot be said in some dialects; beyond it they are forgotten. */
const MOST_NARROWED = 4;
const NOBODY: readonly string[] = [];
/** What a list weighs without any candidate. */
const LIST = 16;

/** Those who are asked the call in one dialect and under one name for its model. */
export interface Manner {
  readonly dialect: DialectName;
  readonly model: string;
  readonly candidates: readonly Candidate[];
}

/** How one account is asked. */
export interface AccountWay extends Way {
  readonly account: Account;
}

/** With the accounts considered, which are told in the ledger, so that their JSON is made once, too. */
export interface KnownCandidates {
  readonly candidates: readonly Candidate[];
  /** Each candidate is in one of them. */
  readonly manners: readonly Manner[];
  readonly considered: Considered;
  /** The settings that they were chosen from. */
  readonly accounts: readonly Account[];
  /** To those that were chosen so far, by their ids. */
  readonly ways: Map<string, AccountWay>;
}

/** Candidates that can be asked a call, and the ids of those that cannot. */
export interface Narrowed {
  readonly pool: readonly Candidate[];
  readonly unsaid: readonly string[];
}

interface Lists {
  readonly byName: Map<string, KnownCandidates>;
  /** How many each key has had made. */
  readonly madeFor: WeakMap<ApiKey, number>;
  weight: number;
}

/**
 * Who may serve a call, remembered for as long as no account changes. Keys that are bound alike (most are not bound at
 * all) share their lists: calls of one batch then share one array, which admission sends once, and a hundred thousand
 * keys over a thousand accounts need no list each.
 *
 * State: by snapshot of the accounts, by binding and model; what is replaced is forgotten with its snapshot.
 */
@Injectable()
export class CandidateMemo {
  private readonly known = new WeakMap<readonly Account[], Lists>();
  private readonly bindings = new WeakMap<ApiKey, string>();
  private readonly narrowed = new WeakMap<KnownCandidates, Map<string, Narrowed>>();

  constructor(
    private readonly accounts: AccountDirectory,
    private readonly registry: UpstreamRegistry,
  ) {}

  of(call: AskedCall, key: ApiKey): readonly Candidate[] {
    return this.with(call, key).candidates;
  }

  with(call: AskedCall, key: ApiKey): KnownCandidates {
    const known = this.listOf(call, key);
    return mayCall(key, call) ? known : { ...known, candidates: [], manners: [] };
  }

  /** By the settings that they were chosen from. Undefined: it is none of them. */
  wayTo(call: AskedCall, { accounts, ways }: KnownCandidates, accountId: string): AccountWay | undefined {
    const found = ways.get(accountId);
    if (found !== undefined) return found;
    const account = accounts.find(({ id }) => id === accountId);
    const way = account && wayTo(call, account, this.registry.get(account.kind));
    if (account === undefined || way === undefined) return undefined;
    const made = { account, ...way };
    ways.set(accountId, made);
    return made;
  }

  /** Without those of some manners; for the same ones the same array, as others know pools by their arrays. */
  without(known: KnownCandidates, unable: ReadonlySet<Manner>): Narrowed {
    if (unable.size === 0) return { pool: known.candidates, unsaid: NOBODY };
    const name = known.manners.flatMap((manner, at) => (unable.has(manner) ? [at] : [])).join(' ');
    const found = this.narrowed.get(known)?.get(name);
    if (found !== undefined) return found;
    const left = new Set([...unable].flatMap(({ candidates }) => candidates));
    const pool = known.candidates.filter((one) => !left.has(one));
    const made = { pool, unsaid: [...left].map(({ accountId }) => accountId) };
    const all = this.narrowed.get(known) ?? new Map<string, Narrowed>();
    if (all.size >= MOST_NARROWED) all.clear();
    this.narrowed.set(known, all.set(name, made));
    return made;
  }

  private listOf(call: AskedCall, key: ApiKey): KnownCandidates {
    const accounts = this.accounts.all();
    const lists = this.listsOf(accounts);
    const name = `${call.dialect} ${call.operation} ${this.bindingOf(key)} ${call.model}`;
    const found = lists.byName.get(name);
    if (found !== undefined) return found;
    const made = this.make(call, key, accounts);
    const times = lists.madeFor.get(key) ?? 0;
    if (times >= MOST_MODELS) return made;
    lists.madeFor.set(key, times + 1);
    const weight = LIST + made.candidates.length;
    if (lists.weight + weight > MOST_CANDIDATES) {
      lists.byName.clear();
      lists.weight = 0;
    }
    lists.byName.set(name, made);
    lists.weight += weight;
    return made;
  }

  private make(call: AskedCall, key: ApiKey, accounts: readonly Account[]): KnownCandidates {
    const from = [call, key, accounts, (kind: string) => this.registry.get(kind)] as const;
    const candidates = candidatesFor(...from);
    const byId = new Map(accounts.map((account) => [account.id, account]));
    const manners = new Map<string, Manner & { readonly candidates: Candidate[] }>();
    for (const candidate of candidates) {
      const account = byId.get(candidate.accountId);
      const way = account && wayTo(call, account, this.registry.get(account.kind));
      if (way === undefined) continue;
      const { dialect, model } = way;
      const manner = manners.get(`${dialect} ${model}`) ?? { dialect, model, candidates: [] };
      manner.candidates.push(candidate);
      manners.set(`${dialect} ${model}`, manner);
    }
    const considered = consideredFor(...from);
    return { candidates, manners: [...manners.values()], considered, accounts, ways: new Map() };
  }

  private listsOf(accounts: readonly Account[]): Lists {
    const found = this.known.get(accounts);
    if (found !== undefined) return found;
    const lists: Lists = { byName: new Map(), madeFor: new WeakMap(), weight: 0 };
    this.known.set(accounts, lists);
    return lists;
  }

  /** All that a key's list depends on but for its models. */
  private bindingOf(key: ApiKey): string {
    const found = this.bindings.get(key);
    if (found !== undefined) return found;
    const { accounts, groups, bindingPolicy } = key;
    const binding =
      accounts === null && groups === null ? '' : JSON.stringify([accounts, groups, bindingPolicy]);
    this.bindings.set(key, binding);
    return binding;
  }
}
