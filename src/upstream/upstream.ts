import type { Headroom } from './headroom.ts';
import type { Account, Credentials } from './account.ts';
import type { AnswerBytes } from './answer-bytes.ts';
import type { Call, DialectName } from '../dialects/dialect.ts';

/** What goes on the wire, complete but for the credential. Header names are lower case. */
export interface UpstreamRequest {
  readonly method: 'GET' | 'POST';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** In pieces when a model name was spliced in: sent in order under one content-length, never joined. */
  readonly body: Buffer | readonly Buffer[] | undefined;
}

/**
 * The open answer, whatever its status; redirects are answers too. Whoever holds it reads `body` to its end or
 * destroys it, which cuts the connection. What breaks the body is told by `UpstreamFailure.of(error)`.
 */
export interface UpstreamStream {
  readonly status: number;
  /** Lower-case names, one text each; those of the connection and cookies are gone. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: AnswerBytes;
}

/** An answer's head and, when it is an error, up to 64 KiB of its body. */
export interface UpstreamAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/**
 * What an upstream's answer means for us (the table of who is at fault):
 * - `client`: the caller's; passed on unchanged
 * - `credential`: refused credential; refreshed once, then parked
 * - `account`: cooling for `retryAfterMs` (undefined = the kind cannot say), or until a person acts
 * - `provider`: transient trouble of the vendor; passed on as it came. `everywhere`: an overload, which every account at
 *   the same place meets as well
 */
export type Verdict =
  | { readonly at: 'client' }
  | { readonly at: 'credential'; readonly reason: string }
  | {
      readonly at: 'account';
      readonly reason: string;
      readonly mend: 'time' | 'person';
      readonly scope: 'account' | 'model';
      readonly retryAfterMs?: number;
    }
  | {
      readonly at: 'provider';
      readonly reason: string;
      readonly everywhere?: true;
      readonly retryAfterMs?: number;
    };

export interface FieldProblem {
  readonly field: string;
  readonly problem: string;
}

/** How one kind of account is reached: a plain record; likeness is said by spreading another one. */
export interface Upstream {
  /** Text; the value of `accounts.kind`. */
  readonly kind: string;
  /**
   * The dialects in which a model can be asked here, the preferred one first; a caller of any other is translated into
   * the first that its dialect has a translation to. A cloud speaks differently for different models.
   */
  speaks(model: string, upstreamModel: string): readonly DialectName[];
  /**
   * The public origin (and path prefix) used when the account names no `baseUrl`, which may depend on the account's
   * settings; undefined = baseUrl required.
   */
  readonly defaultBaseUrl: string | ((account: Pick<Account, 'settings'>) => string) | undefined;
  /** Patterns served when the account has no model policy. */
  readonly defaultModels: readonly string[];
  /** Says what is wrong with an account's credentials, field by field (`credentials.apiKey`); empty = fine. */
  checkCredentials(values: Readonly<Record<string, unknown>>): readonly FieldProblem[];
  /** Credential fields that hold a URL the relay will call: each is checked like a `baseUrl` when it is saved. */
  readonly credentialUrls?: readonly string[];
  /**
   * The kind's own name for a public model name that the account does not map; undefined = not one of its
   * own, served only where `models.allow` lists it as it is. Absent: the name itself, where `defaultModels` match it.
   */
  modelName?(model: string, account: Account): string | undefined;
  /** What becomes of an answer whose client left, where the account does not say; absent = `cancel`. */
  readonly onClientLeave?: Account['onClientLeave'];
  /** Credential fields that are no secrets and are needed before the credential is: kept readable as `account.settings`. */
  readonly plainCredentials?: readonly string[];
  /** Where the call goes below the account's base; `model` is the upstream's name, already validated. */
  address(call: Call, account: Account, model: string): URL;
  /**
   * What is sent instead of the call's own headers and body, where the transport wants another envelope around the same
   * dialect (Bedrock: model and stream moved out). Absent or undefined: the call as it is, with the model's name replaced.
   */
  envelope?(call: Call, account: Account, model: string): Promise<Envelope> | undefined;
  /** Takes the transport's own framing off an answer, so that what is read behind it is the call's dialect. */
  decode?(call: Call, answer: UpstreamStream): UpstreamStream;
  /** Adds the account's credential to the request's headers (and nothing of the client's); last, over the final bytes. */
  sign(
    request: UpstreamRequest,
    credentials: Credentials,
  ): Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>;
  /** An error told inside a 2xx answer is judged with that status and the frame's JSON as the body. */
  judge(answer: UpstreamAnswer): Verdict;
  /** What a successful answer says is left of the account's limits. Absent: the vendor says nothing of it. */
  headroom?(headers: Readonly<Record<string, string>>): readonly Headroom[];
  /** The request that renews an expiring credential; undefined when these values cannot be renewed. */
  refresh?(credentials: Credentials): CredentialRefresh | undefined;
  /** The upstream's own list of models, a page at a time; or the names it is known to serve, where it has no list. */
  models: ModelListing | { readonly names: readonly string[] };
  /** A small real request for `POST /accounts/{id}/test`. */
  probe(account: Account): UpstreamRequest;
}

/** An upstream that has a list. */
export interface ListedUpstream extends Upstream {
  models: ModelListing;
}

/** A call in its transport's envelope; `edits` by the names of the contract. */
export interface Envelope {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | readonly Buffer[];
  readonly edits: readonly string[];
}

export interface CredentialRefresh {
  readonly request: UpstreamRequest;
  /** Reads a 2xx answer into the new values (the whole set to be sealed). @throws Error when it is unusable. */
  read(body: Buffer): Readonly<Record<string, string>>;
}

export interface ModelListing {
  request(account: Account, pageToken: string | undefined): UpstreamRequest;
  /** @throws Error when the answer is not the vendor's list. */
  read(body: Buffer): {
    readonly models: readonly Record<string, unknown>[];
    readonly next: string | undefined;
  };
  /** The model's id in an entry of the list, without any prefix. */
  id(entry: Record<string, unknown>): string | undefined;
}
