import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { AccountDirectory } from '../accounts/account-directory.ts';
import { ConfigWatch } from '../database/config-watch.ts';
import type { DialectName } from '../dialects/dialect.ts';
import { ProblemError, titleOf } from '../errors/problem-error.ts';
import { sessionName } from '../dialects/session.ts';
import type { ApiKey } from '../keys/api-key.ts';
import { KeyDirectory } from '../keys/key-directory.ts';
import { KeysService } from '../keys/keys.service.ts';
import { affinityResult, sessionDigest } from '../relay/affinity.ts';
import { type AskedCall, fitOf, mayCall, wayTo } from '../relay/candidates.ts';
import { Holds } from '../relay/holds.ts';
import {
  type AdmissionRequest,
  AdmissionUnavailable,
  type Bound,
  type Candidate,
  type Decision,
} from '../scheduler/admission.ts';
import { Scheduler } from '../scheduler/scheduler.ts';
import { UpstreamRegistry } from '../upstream/upstream-registry.ts';
import type { DoorName, ExplainDto, ExplanationDto } from './explain.dto.ts';
import { type ConsideredAccount, exhausted, hasBudget, judged } from './judged-accounts.ts';

/** The dialect that a call of the door is taken to be in; of OpenAI's and Bedrock's, the one that reaches the most. */
const DIALECTS: Readonly<Record<DoorName, DialectName>> = {
  claude: 'anthropic',
  gemini: 'gemini',
  openai: 'openai',
  bedrock: 'bedrock-converse',
};
const MOST_ACCOUNTS = 500;
const MOST_STALE = 3;

type Outcome = Pick<ExplanationDto, 'refusal' | 'retryAfterMs'> & {
  readonly chosenId?: string;
  readonly bound?: Bound;
};

/**
 * How a call would be placed: by the functions that make candidates of accounts for real calls, and by the statement
 * that admits them, in a transaction that is rolled back.
 */
@Injectable()
export class Explanations {
  constructor(
    private readonly database: DataSource,
    private readonly watch: ConfigWatch,
    private readonly keys: KeyDirectory,
    private readonly limits: KeysService,
    private readonly accounts: AccountDirectory,
    private readonly registry: UpstreamRegistry,
    private readonly holds: Holds,
    private readonly scheduler: Scheduler,
  ) {}

  /** @throws ProblemError 400 when there is no such key, 503 when this replica may not admit */
  async explain({ keyId, door, model, sessionId }: ExplainDto): Promise<ExplanationDto> {
    const name = sessionId === undefined ? undefined : sessionName(sessionId);
    if (sessionId !== undefined && name === undefined) {
      throw ProblemError.fields([{ field: 'sessionId', problem: 'is blank, or longer than 512 bytes' }]);
    }
    for (let asked = 1; ; asked += 1) {
      await this.watch.refresh();
      const key = await this.keys.look(keyId.toLowerCase());
      if (key === undefined) {
        throw ProblemError.fields([{ field: 'keyId', problem: `is ${keyId}, which is no key` }]);
      }
      const explanation = await this.explainOnce(key, door, model, name);
      if (explanation.refusal !== 'stale' || asked === MOST_STALE) return explanation;
    }
  }

  private async explainOnce(
    key: ApiKey,
    door: DoorName,
    model: string,
    name: string | undefined,
  ): Promise<ExplanationDto> {
    const session = name === undefined ? undefined : sessionDigest(key.id, { model, session: { name } });
    const boundId = session && (await this.scheduler.survey.boundTo(session));
    const call = { dialect: DIALECTS[door], operation: 'generate', model } as const;
    const considered = this.considered(call, key);
    const candidates = considered.map(({ fit }) => fit).filter((fit) => typeof fit !== 'string');
    const standing = await this.limits.standing(key.id);
    const unpriced = this.unpriced(call, candidates);
    const [states, outcome] = await Promise.all([
      candidates.length === 0 ? [] : this.scheduler.survey.stateOf(candidates, boundId),
      this.outcome(key, door, model, candidates, unpriced, session),
    ]);
    const { chosenId, bound, ...rest } = outcome;
    const serves = (id: string): boolean => candidates.some(({ accountId }) => accountId === id);
    const accounts = judged(considered, states, hasBudget(standing) ? unpriced : new Set());
    return {
      key: { id: key.id, name: key.name },
      door,
      model,
      chosen: chosenId === undefined ? null : named(this.accounts, chosenId),
      affinity: this.affinity(session, bound ?? bindingTo(boundId), chosenId, serves),
      ...rest,
      exhausted: exhausted(standing),
      accounts: accounts.slice(0, MOST_ACCOUNTS),
      omitted: Math.max(0, accounts.length - MOST_ACCOUNTS),
    };
  }

  private affinity(
    session: string | undefined,
    bound: Bound | undefined,
    chosenId: string | undefined,
    serves: (id: string) => boolean,
  ): ExplanationDto['affinity'] {
    const account = bound === undefined ? null : named(this.accounts, bound.accountId);
    if (session === undefined) return { result: 'none', account };
    if (chosenId === undefined) return { result: null, account };
    return { result: affinityResult(bound, chosenId, serves), account };
  }

  private considered(call: AskedCall, key: ApiKey): ConsideredAccount[] {
    const allowed = mayCall(key, call);
    return this.accounts.all().map((account) => {
      const upstream = this.registry.get(account.kind);
      const way = wayTo(call, account, upstream);
      return {
        account,
        fit: allowed ? fitOf(call, key, account, upstream) : 'key-models',
        upstreamModel: way?.model,
      };
    });
  }

  private unpriced(call: AskedCall, pool: readonly Candidate[]): ReadonlySet<string> {
    const priced = { ...call, lane: 'generate' } as const;
    return this.holds.unpriced(priced, this.accounts.all(), pool) ?? new Set();
  }

  /** In the order in which a call meets its refusals: guard, settings, admission. */
  private async outcome(
    key: ApiKey,
    door: DoorName,
    model: string,
    candidates: readonly Candidate[],
    unpriced: ReadonlySet<string>,
    session: string | undefined,
  ): Promise<Outcome> {
    const refused = (refusal: Outcome['refusal']): Outcome => ({ refusal, retryAfterMs: null });
    if (!this.keys.isUsable(key)) return refused('key-unusable');
    if (!key.scopes.includes(door)) return refused('door-closed');
    if (candidates.length === 0) return refused('model-unknown');
    const decision = await this.preview({
      requestId: uuidv7(),
      keyId: key.id,
      keyVersion: key.version,
      lane: 'generate',
      door,
      model,
      candidates,
      kindOf: (id) => this.accounts.get(id)?.kind ?? '',
      hold: { nanos: 0n, tokens: 0, unpriced },
      session,
    });
    if (decision.admitted) {
      const { lease, bound } = decision;
      return { refusal: null, retryAfterMs: null, chosenId: lease.accountId, ...(bound && { bound }) };
    }
    return { refusal: decision.refusal, retryAfterMs: decision.retryAfterMs ?? null };
  }

  private async preview(request: AdmissionRequest): Promise<Decision> {
    const runner = this.database.createQueryRunner();
    try {
      await runner.startTransaction();
      return await this.scheduler.survey.preview(
        {
          run: <Row>({ text }: { text: string }, values: readonly unknown[]) =>
            runner.query(text, [...values]) as Promise<Row[]>,
        },
        request,
      );
    } catch (error) {
      if (!(error instanceof AdmissionUnavailable)) throw error;
      throw new ProblemError(503, titleOf(503), 'This replica may not admit just now', [], 2);
    } finally {
      if (runner.isTransactionActive) await runner.rollbackTransaction();
      await runner.release();
    }
  }
}

function bindingTo(accountId: string | undefined): Bound | undefined {
  return accountId === undefined ? undefined : { accountId, isParked: false };
}

function named(accounts: AccountDirectory, id: string): { id: string; name: string | null } {
  return { id, name: accounts.get(id)?.name ?? null };
}
