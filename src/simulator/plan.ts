import { faultInText, type Fault } from './faults.ts';

/** Requests a plan is for: every named property must match; none named = every request. */
export interface Plan {
  readonly credential?: string;
  readonly model?: string;
  /** Beginning of the path, for example `/oauth/token`. */
  readonly path?: string;
  /** How many requests get it; absent = all, until it is taken back. */
  readonly times?: number;
  readonly fault: Fault;
}

export interface PlannedRequest {
  readonly credential: string | undefined;
  readonly model: string | undefined;
  readonly path: string;
  /** Digest of the body: the same request sent again counts on under `times`. */
  readonly digest: string;
  /** The last user message, where directives may stand. */
  readonly text: string;
}

/** Remembered bodies whose directive says `times`; the oldest is forgotten beyond that. */
const COUNTED = 10_000;

/**
 * Chooses each request's fault. States: a list of plans in the order given, each with the uses left; and for
 * directives with `times`, how often each body has been refused already.
 */
export class Plans {
  private readonly plans: { readonly plan: Plan; left: number }[] = [];
  private readonly refused = new Map<string, number>();

  /** Answers a function that takes the plan back. */
  add(plan: Plan): () => void {
    const entry = { plan, left: plan.times ?? Infinity };
    this.plans.push(entry);
    return () => {
      entry.left = 0;
    };
  }

  clear(): void {
    this.plans.length = 0;
    this.refused.clear();
  }

  get waiting(): readonly Plan[] {
    return this.plans.filter((entry) => entry.left > 0).map((entry) => entry.plan);
  }

  /** The message's own directives, overridden by the first plan that matches. @throws FaultError */
  choose(request: PlannedRequest): Fault {
    const own = this.spend(request, request.text.includes('[[sim:') ? faultInText(request.text) : {});
    const entry = this.plans.find(({ plan, left }) => left > 0 && matches(plan, request));
    if (entry === undefined) return own;
    entry.left -= 1;
    return { ...own, ...entry.plan.fault };
  }

  /** A plan whose answer does not wait for the body, chosen by what the head alone tells. */
  chooseBeforeBody(request: Omit<PlannedRequest, 'digest' | 'text'>): Fault | undefined {
    const entry = this.plans.find(
      ({ plan, left }) => left > 0 && plan.fault.beforeBody === true && matches(plan, request),
    );
    if (entry === undefined) return undefined;
    entry.left -= 1;
    return entry.plan.fault;
  }

  /** `status=529 times=2`: the first two of this very body fail, those after it succeed. */
  private spend(request: PlannedRequest, fault: Fault): Fault {
    if (fault.times === undefined) return fault;
    const seen = this.refused.get(request.digest) ?? 0;
    const { marker, say } = fault;
    if (seen >= fault.times) {
      return { ...(marker === undefined ? {} : { marker }), ...(say === undefined ? {} : { say }) };
    }
    this.refused.delete(request.digest);
    this.refused.set(request.digest, seen + 1);
    if (this.refused.size > COUNTED) this.refused.delete(this.refused.keys().next().value ?? '');
    return fault;
  }
}

function matches(plan: Plan, request: Omit<PlannedRequest, 'digest' | 'text'>): boolean {
  return (
    (plan.credential === undefined || plan.credential === request.credential) &&
    (plan.model === undefined || plan.model === request.model) &&
    (plan.path === undefined || request.path.startsWith(plan.path))
  );
}
