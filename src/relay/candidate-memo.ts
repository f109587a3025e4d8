import { Injectable } from '@nestjs/common';
import { AccountDirectory } from '../accounts/account-directory.ts';
import type { ApiKey } from '../keys/api-key.ts';
import type { Candidate } from '../scheduler/admission.ts';
import type { Account } from '../upstream/account.ts';
import { UpstreamRegistry } from '../upstream/upstream-registry.ts';
import { type AskedCall, candidatesFor } from './candidates.ts';
import { type Considered, consideredFor } from './considered.ts';

/** Models remembered for one key; a client that asks for more names than that is answered without memory. */
const MOST_MODELS = 200;

/** With the accounts considered, which are told in the ledger, so that their JSON is made once, too. */
export interface KnownCandidates {
  readonly candidates: readonly Candidate[];
  readonly considered: Considered;
}

type ByModel = Map<string, KnownCandidates>;

/**
 * Who may serve a call, remembered for as long as neither the key nor any account changes: calls of one batch then
 * share one array, and admission sends it once.
 *
 * State: by snapshot of the accounts, by copy of the key, by model; what is replaced is forgotten with its snapshot.
 */
@Injectable()
export class CandidateMemo {
  private readonly known = new WeakMap<readonly Account[], WeakMap<ApiKey, ByModel>>();

  constructor(
    private readonly accounts: AccountDirectory,
    private readonly registry: UpstreamRegistry,
  ) {}

  of(call: AskedCall, key: ApiKey): readonly Candidate[] {
    return this.with(call, key).candidates;
  }

  with(call: AskedCall, key: ApiKey): KnownCandidates {
    const byModel = this.modelsOf(this.accounts.all(), key);
    const name = JSON.stringify([call.dialect, call.operation, call.model, call.otherModels]);
    const found = byModel.get(name);
    if (found !== undefined) return found;
    const from = [call, key, this.accounts.all(), (kind: string) => this.registry.get(kind)] as const;
    const known = { candidates: candidatesFor(...from), considered: consideredFor(...from) };
    if (byModel.size < MOST_MODELS) byModel.set(name, known);
    return known;
  }

  private modelsOf(accounts: readonly Account[], key: ApiKey): ByModel {
    let byKey = this.known.get(accounts);
    if (byKey === undefined) this.known.set(accounts, (byKey = new WeakMap()));
    const known = byKey.get(key);
    if (known !== undefined) return known;
    const byModel: ByModel = new Map();
    byKey.set(key, byModel);
    return byModel;
  }
}
