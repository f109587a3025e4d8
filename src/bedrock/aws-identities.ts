import { Injectable } from '@nestjs/common';
import { RelayError } from '../errors/relay-error.ts';
import type { Credentials } from '../upstream/account.ts';
import { orCut } from '../upstream/or-cut.ts';
import { UpstreamClient } from '../upstream/upstream-client.ts';
import { handlerOf } from './aws-request-handler.ts';
import type { AwsKeys } from './sigv4.ts';

/** A key as AWS' own providers give it. */
interface Identity extends AwsKeys {
  readonly expiration?: Date;
}

interface Held {
  readonly find: () => Promise<Identity>;
  keys?: AwsKeys;
  /** Until when the keys may be used, and from when newer ones are looked for; epoch ms. */
  usableUntil: number;
  renewFrom: number;
  running?: Promise<AwsKeys>;
  failure?: { readonly until: number; readonly error: RelayError };
}

/** One search for credentials, all its requests together. */
const SEARCH_MS = 10_000;
/** After a search failed, it is not begun again for so long. */
const PAUSE_MS = 5_000;
const RENEW_AHEAD_MS = 5 * 60_000;
/** The last stretch of a credential is left unused: clocks differ, and a request takes its time. */
const MARGIN_MS = 30_000;
/** Keys that name no end, and long ones, are looked for again after this: their source may have others by then. */
const LONGEST_MS = 15 * 60_000;
const MOST_HELD = 1_000;
/** An hour is what every role allows. */
const SESSION_SECONDS = 3_600;

/**
 * AWS keys of accounts that name none: the default chain, a profile, or a role that is assumed with either. By version of
 * the account's credentials, so that an edit takes effect at once. docs/decisions/007.
 *
 * States of an entry: nothing → searching → held → (renewal is due) held and searching behind → held. Without usable keys
 * everybody waits for the one search; after a failure nobody searches for a while.
 */
@Injectable()
export class AwsIdentities {
  private readonly held = new Map<string, Held>();

  constructor(private readonly client: UpstreamClient) {}

  /** @throws RelayError (`account-fault`) when there are none; says nothing of them */
  async of(credentials: Credentials): Promise<AwsKeys> {
    const held = this.entry(credentials);
    const now = Date.now();
    const usable = now < held.usableUntil ? held.keys : undefined;
    if (usable !== undefined && now < held.renewFrom) return usable;
    if (held.failure !== undefined && now < held.failure.until) {
      if (usable !== undefined) return usable;
      throw held.failure.error;
    }
    held.running ??= search(held);
    if (usable === undefined) return held.running;
    held.running.catch(() => undefined);
    return usable;
  }

  private entry(credentials: Credentials): Held {
    const { region, roleArn, profile } = credentials.values;
    const name = JSON.stringify([credentials.version, region, roleArn, profile, credentials.proxyUrl]);
    const known = this.held.get(name);
    if (known !== undefined) return known;
    const [oldest] = this.held.keys();
    if (this.held.size >= MOST_HELD && oldest !== undefined) this.held.delete(oldest);
    const made = { find: this.providerOf(credentials), usableUntil: 0, renewFrom: 0 };
    this.held.set(name, made);
    return made;
  }

  /**
   * AWS' own providers, loaded when the first account needs them; their requests go out by the relay's own client. They are
   * made anew for each search, and read files anew: they keep keys without an end, and what they read, for good.
   */
  private providerOf({ values, proxyUrl }: Credentials): () => Promise<Identity> {
    const { region = '', roleArn, profile } = values;
    return async () => {
      const { fromIni, fromNodeProviderChain, fromTemporaryCredentials } =
        await import('@aws-sdk/credential-providers');
      const clientConfig = { region, requestHandler: handlerOf(this.client, SEARCH_MS, proxyUrl) };
      const init = { clientConfig, ignoreCache: true };
      const source = profile === undefined ? fromNodeProviderChain(init) : fromIni({ ...init, profile });
      if (roleArn === undefined) return source();
      const params = { RoleArn: roleArn, RoleSessionName: 'llm-relay', DurationSeconds: SESSION_SECONDS };
      return fromTemporaryCredentials({ params, masterCredentials: source, clientConfig })();
    };
  }
}

async function search(held: Held): Promise<AwsKeys> {
  try {
    const found = await orCut(held.find(), AbortSignal.timeout(SEARCH_MS));
    const now = Date.now();
    const end = found.expiration?.getTime() ?? Infinity;
    held.usableUntil = Math.min(end - MARGIN_MS, now + LONGEST_MS * 2);
    held.renewFrom = Math.min(Math.max(end - RENEW_AHEAD_MS, now + PAUSE_MS), now + LONGEST_MS);
    held.keys = {
      accessKeyId: found.accessKeyId,
      secretAccessKey: found.secretAccessKey,
      ...(found.sessionToken !== undefined && { sessionToken: found.sessionToken }),
    };
    delete held.failure;
    return held.keys;
  } catch (cause) {
    const error = notFound(cause);
    held.failure = { until: Date.now() + PAUSE_MS, error };
    throw error;
  } finally {
    delete held.running;
  }
}

/** Of what AWS' code threw only its name is told: its texts may quote files and answers. */
function notFound(cause: unknown): RelayError {
  const name = cause instanceof Error && /^[A-Za-z]{1,64}$/.test(cause.name) ? ` (${cause.name})` : '';
  const seconds = PAUSE_MS / 1_000;
  return new RelayError(
    'account-fault',
    `The account that serves this model has no AWS credentials just now${name}`,
    seconds,
  );
}
