import { Injectable } from '@nestjs/common';
import { AccountDirectory } from '../accounts/account-directory.ts';
import type { Call } from '../dialects/dialect.ts';
import type { ApiKey } from '../keys/api-key.ts';
import type { Candidate } from '../scheduler/admission.ts';
import type { Account } from '../upstream/account.ts';
import { UpstreamRegistry } from '../upstream/upstream-registry.ts';
import { candidatesFor } from './candidates.ts';

/** Models remembered for one key; a client that asks for more names than that is answered without memory. */
const MOST_MODELS = 200;

type ByModel = Map<string, readonly Candidate[]>;

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

  of(call: Pick<Call, 'dialect' | 'operation' | 'model' | 'otherModels'>, key: ApiKey): readonly Candidate[] {
    const byModel = this.modelsOf(this.accounts.all(), key);
    const name = JSON.stringify([call.dialect, call.operation, call.model, call.otherModels]);
    const found = byModel.get(name);
    if (found !== undefined) return found;
    const candidates = candidatesFor(call, key, this.accounts.all(), (kind) => this.registry.get(kind));
    if (byModel.size < MOST_MODELS) byModel.set(name, candidates);
    return candidates;
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
