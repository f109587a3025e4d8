import { Injectable } from '@nestjs/common';
import { RelayError } from '../errors/relay-error.ts';
import type { Account, Credentials } from '../upstream/account.ts';
import { readBounded } from '../upstream/read-bounded.ts';
import { UpstreamClient } from '../upstream/upstream-client.ts';
import { UpstreamFailure } from '../upstream/upstream-failure.ts';
import { UpstreamRegistry } from '../upstream/upstream-registry.ts';
import type { Upstream, UpstreamRequest, Verdict } from '../upstream/upstream.ts';
import type { AccountTestDto } from './account.dto.ts';
import { CredentialRefused, CredentialStore, CredentialUnavailable } from './credential-store.ts';

const PROBE_MS = 30_000;
const JUDGED_BYTES = 64 * 1024;

type Seen = { readonly status: number; readonly verdict: Verdict | undefined };

/**
 * One small real request on one account, as a call would make it: the same credential, renewed once when it is
 * refused. It takes no place, has no ledger row and moves no cooldown. What it says is our own words: an upstream's
 * error text may quote the credential.
 */
@Injectable()
export class AccountProbe {
  constructor(
    private readonly credentials: CredentialStore,
    private readonly registry: UpstreamRegistry,
    private readonly client: UpstreamClient,
  ) {}

  async test(account: Account): Promise<AccountTestDto> {
    const upstream = this.registry.get(account.kind);
    const started = performance.now();
    const answer = (rest: Pick<AccountTestDto, 'status' | 'verdict' | 'message'>, model: string | null) => ({
      ...rest,
      model,
      latencyMs: Math.round(performance.now() - started),
    });
    if (upstream === undefined) {
      return answer({ status: null, verdict: 'account', message: 'This build does not know the kind' }, null);
    }
    const request = upstream.probe(account);
    const model = modelOf(request);
    try {
      return answer(described(await this.ask(upstream, account, request)), model);
    } catch (error) {
      return answer(failed(error), model);
    }
  }

  private async ask(upstream: Upstream, account: Account, request: UpstreamRequest): Promise<Seen> {
    const credentials = await this.credentials.current(account);
    const first = await this.send(upstream, request, credentials);
    if (first.verdict?.at !== 'credential') return first;
    try {
      return await this.send(upstream, request, await this.credentials.renew(account, credentials.version));
    } catch (error) {
      if (error instanceof CredentialRefused) return first;
      throw error;
    }
  }

  private async send(upstream: Upstream, request: UpstreamRequest, credentials: Credentials): Promise<Seen> {
    const signal = AbortSignal.timeout(PROBE_MS);
    const signed = { ...request, headers: await upstream.sign(request, credentials) };
    const { status, headers, body } = await this.client.send(signed, {
      signal,
      headersMs: PROBE_MS,
      proxyUrl: credentials.proxyUrl,
    });
    const bytes = await readBounded(body, JUDGED_BYTES, signal);
    if (status < 200 || status >= 300) {
      return { status, verdict: upstream.judge({ status, headers, body: bytes }) };
    }
    return {
      status,
      verdict: isJson(bytes) ? undefined : { at: 'provider', reason: 'the answer is not JSON' },
    };
  }
}

function described({ status, verdict }: Seen): Pick<AccountTestDto, 'status' | 'verdict' | 'message'> {
  if (verdict === undefined) return { status, verdict: 'ok', message: 'The upstream answered' };
  const reason = 'reason' in verdict ? `: ${verdict.reason}` : '';
  return { status, verdict: verdict.at, message: `${SENTENCES[verdict.at]} (${status})${reason}` };
}

const SENTENCES: Readonly<Record<Verdict['at'], string>> = {
  client: 'The upstream does not take the test request',
  credential: 'The upstream refuses the credential',
  account: 'The account cannot serve now',
  provider: 'The server there has trouble of its own',
};

function failed(error: unknown): Pick<AccountTestDto, 'status' | 'verdict' | 'message'> {
  if (error instanceof UpstreamFailure)
    return { status: null, verdict: 'unreachable', message: error.message };
  if (error instanceof CredentialRefused || error instanceof CredentialUnavailable) {
    return { status: null, verdict: 'credential', message: error.message };
  }
  // A credential that is looked for elsewhere, and was not found.
  if (error instanceof RelayError) return { status: null, verdict: 'credential', message: error.message };
  throw error;
}

function isJson(bytes: Buffer): boolean {
  try {
    JSON.parse(bytes.toString('utf8'));
    return true;
  } catch {
    return false;
  }
}

/** The model stands in the body, or in a path segment behind `models` or `model`. */
function modelOf({ url, body }: UpstreamRequest): string | null {
  const inPath = /\/models?\/([^/:]+)(?=[/:]|$)/.exec(url.pathname)?.[1];
  if (inPath !== undefined) return decodeURIComponent(inPath);
  if (body === undefined) return null;
  const text = Buffer.isBuffer(body) ? body : Buffer.concat(body);
  try {
    const { model } = JSON.parse(text.toString('utf8')) as { model?: unknown };
    return typeof model === 'string' ? model : null;
  } catch {
    return null;
  }
}
