import type { Call } from '../dialects/dialect.ts';
import type { ApiKey } from '../keys/api-key.ts';
import type { Bound, Candidate, Lease } from '../scheduler/admission.ts';
import type { Affinity } from '../scheduler/decision.ts';
import type { Account } from '../upstream/account.ts';
import type { Upstream } from '../upstream/upstream.ts';
import type { SentCall } from './call-forms.ts';

/** One try of a call: the account that the lease names, under the name it knows the model by. */
export interface Try {
  /** As the client made it. */
  readonly call: Call;
  /** As this account is asked it. */
  readonly sent: SentCall;
  readonly lease: Lease;
  readonly account: Account;
  readonly upstream: Upstream;
  readonly model: string;
  /** The key, the accounts and those of them that may serve the call, as they were when it was decided. */
  readonly key: ApiKey;
  readonly accounts: readonly Account[];
  readonly pool: readonly Candidate[];
  /** The digest of the call's session, and the account that it was bound to at admission. */
  readonly session: string | undefined;
  readonly bound: Bound | undefined;
  readonly affinity: Affinity;
  /** On a connection of its own: one that was kept open has just broken. */
  readonly anew?: boolean;
  /** Told when the account has answered the client. */
  readonly answered?: () => void;
}
