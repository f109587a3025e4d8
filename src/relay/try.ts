import type { Call } from '../dialects/dialect.ts';
import type { ApiKey } from '../keys/api-key.ts';
import type { Bound, Candidate, Lease } from '../scheduler/admission.ts';
import type { AttemptDecision } from '../scheduler/decision.ts';
import type { Account } from '../upstream/account.ts';
import type { Upstream } from '../upstream/upstream.ts';
import type { SentCall } from './call-forms.ts';
import type { KnownCandidates } from './candidate-memo.ts';

/** A key and who may serve its call, as the settings were when they were read. */
export interface Chance {
  readonly key: ApiKey;
  readonly known: KnownCandidates;
  /** Those of the accounts that may serve the call, and can say it. */
  readonly pool: readonly Candidate[];
  /** Ids of those that may serve it, and cannot say it. */
  readonly unsaid: readonly string[];
  /** The digest of the call's session. */
  readonly session: string | undefined;
}

/** One try of a call: the account that the lease names, under the name it knows the model by. */
export interface Try extends Chance {
  /** As the client made it. */
  readonly call: Call;
  /** As this account is asked it. */
  readonly sent: SentCall;
  readonly lease: Lease;
  readonly account: Account;
  readonly upstream: Upstream;
  readonly model: string;
  /** The account that the call's session was bound to at admission. */
  readonly bound: Bound | undefined;
  readonly decision: AttemptDecision;
  /** On a connection of its own: one that was kept open has just broken. */
  readonly anew?: boolean;
  /** Told when the account has answered the client. */
  readonly answered?: () => void;
}
