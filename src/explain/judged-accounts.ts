import type { KeyStanding } from '../keys/keys.service.ts';
import type { StandingDto } from '../keys/standing.dto.ts';
import type { Unfit } from '../relay/candidates.ts';
import type { Candidate } from '../scheduler/admission.ts';
import type { CandidateState } from '../scheduler/sql/candidate-state.ts';
import type { Account } from '../upstream/account.ts';
import type { ExhaustedDto, ExplainedAccountDto, Reason } from './explain.dto.ts';

/** An account, and what the settings make of it for a call. */
export interface ConsideredAccount {
  readonly account: Account;
  readonly fit: Candidate | Unfit | 'key-models';
  /** Undefined: it does not have the model. */
  readonly upstreamModel: string | undefined;
}

/**
 * The eligible in the order of `states`, which is admission's; then those that a state rules out; then the others.
 * `unpriced`: those that may not serve for want of a price.
 */
export function judged(
  considered: readonly ConsideredAccount[],
  states: readonly CandidateState[],
  unpriced: ReadonlySet<string>,
): ExplainedAccountDto[] {
  const known = new Map(considered.map((one) => [one.account.id, one]));
  const [eligible, ruledOut]: [ExplainedAccountDto[], ExplainedAccountDto[]] = [[], []];
  for (const state of states) {
    const one = known.get(state.accountId);
    if (one === undefined) continue;
    known.delete(state.accountId);
    const reason = reasonOf(state, !unpriced.has(state.accountId));
    const { tier, priority, weight, inUse, lean, rest } = state;
    const shown = {
      ...bare(one),
      tier,
      lean,
      priority,
      weight,
      inUse,
      reason,
      evidence: rest?.evidence ?? null,
    };
    const until = rest?.until?.toISOString() ?? null;
    if (reason === null) eligible.push({ ...shown, until, eligible: true, position: eligible.length + 1 });
    else ruledOut.push({ ...shown, until });
  }
  return [...eligible, ...ruledOut, ...[...known.values()].map(bare)];
}

/** Limits with nothing left. */
export function exhausted({ own, teams }: KeyStanding): ExhaustedDto[] {
  return [{ name: 'key', limits: own }, ...teams].flatMap(({ name, limits }) =>
    spent(limits).map((limit) => ({ of: name, limit })),
  );
}

export function hasBudget({ own, teams }: KeyStanding): boolean {
  return [own, ...teams.map(({ limits }) => limits)].some(({ budgets }) => budgets.length > 0);
}

function spent({
  requestsPerMinute,
  tokensPerMinute,
  concurrency,
  budgets,
}: StandingDto): ExhaustedDto['limit'][] {
  const limits = { requestsPerMinute, tokensPerMinute, concurrency };
  return [
    ...(Object.keys(limits) as (keyof typeof limits)[]).filter((limit) => limits[limit].left === 0),
    ...budgets.filter(({ left }) => Number(left) === 0).map(({ period }) => period),
  ];
}

/** As admission looks: an account that rests, then one without a price, then one without a place. */
function reasonOf({ rest, places, inUse, probing }: CandidateState, priced: boolean): Reason | null {
  if (rest !== null) return rest.until === null ? 'parked' : 'cooling';
  if (!priced) return 'unpriced';
  if (places !== null && inUse >= places) return 'full';
  return probing ? 'probing' : null;
}

/** What is known of it without its state. A candidate without one was disabled or deleted this moment. */
function bare({ account, fit, upstreamModel }: ConsideredAccount): ExplainedAccountDto {
  const { id, name, kind, priority, weight, maxConcurrency } = account;
  return {
    account: { id, name },
    kind,
    eligible: false,
    position: null,
    reason: typeof fit === 'string' ? fit : 'disabled',
    evidence: null,
    until: null,
    upstreamModel: upstreamModel ?? null,
    tier: null,
    lean: false,
    priority,
    weight,
    inUse: null,
    maxConcurrency,
  };
}
