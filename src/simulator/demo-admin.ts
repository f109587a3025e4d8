/** The few administrators' calls of the demo. Everything is found again by its name, so that a second run is fine. */
export interface DemoAdmin {
  /** Makes the account, or points the one of that name to the address. */
  account(name: string, kind: string, baseUrl: string, credentials: Record<string, string>): Promise<void>;
  /** A usable key of that name: made, or rotated, because a key is shown only once. */
  key(name: string, scopes: readonly string[]): Promise<string>;
  /** The call with this id, once nothing of it is open any more. */
  settled(id: string): Promise<LedgerRequest>;
}

/** A row of `GET /admin/v1/requests`, as far as the demo shows it. */
export interface LedgerRequest {
  readonly id: string;
  readonly door: string;
  readonly model: string;
  readonly outcome: string;
  readonly costUsd: string | null;
  readonly attempts: readonly {
    readonly account: { readonly name: string };
    readonly settledAt: string | null;
    readonly inputTokens: number;
    readonly cacheReadTokens: number;
    readonly cacheWrite5mTokens: number;
    readonly cacheWrite1hTokens: number;
    readonly outputTokens: number;
  }[];
}

interface Named {
  readonly id: string;
  readonly name: string;
}

export function demoAdmin(relayUrl: string, token: string): DemoAdmin {
  const call = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const response = await fetch(`${relayUrl}/admin/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} /admin/v1${path} answered ${response.status}: ${text}`);
    return JSON.parse(text) as T;
  };

  const find = async (resource: string, name: string): Promise<Named | undefined> => {
    let cursor: string | null = null;
    do {
      const query = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const page: { items: Named[]; nextCursor: string | null } = await call(
        'GET',
        `/${resource}?limit=100${query}`,
      );
      const found = page.items.find((item) => item.name === name);
      if (found !== undefined) return found;
      cursor = page.nextCursor;
    } while (cursor !== null);
    return undefined;
  };

  return {
    async account(name, kind, baseUrl, credentials) {
      const found = await find('accounts', name);
      if (found === undefined) await call('POST', '/accounts', { name, kind, baseUrl, credentials });
      else await call('PATCH', `/accounts/${found.id}`, { baseUrl, credentials, enabled: true });
    },
    async key(name, scopes) {
      const found = await find('keys', name);
      const made = await (found === undefined
        ? call<{ key: string }>('POST', '/keys', { name, scopes, models: ['*'] })
        : call<{ key: string }>('POST', `/keys/${found.id}/rotate`, {}));
      return made.key;
    },
    async settled(id) {
      for (let tries = 0; ; tries += 1) {
        const request = await call<LedgerRequest>('GET', `/requests/${id}`).catch((error: unknown) => {
          if (tries === 40) throw error;
          return undefined;
        });
        if (request?.attempts.length && request.attempts.every((one) => one.settledAt !== null))
          return request;
        if (tries === 40) throw new Error(`The ledger row of ${id} is not settled`);
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
    },
  };
}
