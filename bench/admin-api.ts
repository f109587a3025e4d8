import { setTimeout as sleep } from 'node:timers/promises';

const SCOPES = ['claude', 'openai', 'gemini'];
const SETTLED_MS = 15_000;

/** API keys: the one of the account at the upstream, and the one of the account at Bedrock's. */
export type Keys = Readonly<Record<'usual' | 'bedrock', string>>;

/** A relay's REST API, as an administrator sees it. */
export class AdminApi {
  private readonly url: string;

  constructor(
    port: number,
    private readonly token: string,
  ) {
    this.url = `http://127.0.0.1:${port}/admin/v1`;
  }

  /** Makes an account at `upstream`, one at `bedrock`, and a key for each. */
  async furnish(ports: Readonly<Record<'upstream' | 'bedrock', number>>): Promise<Keys> {
    const usual = await this.account(ports.upstream, {
      kind: 'claude',
      credentials: { apiKey: 'sk-ant-bench' },
    });
    const credentials = { region: 'us-east-1', apiKey: 'ABSK-bench-bench-bench' };
    const bedrock = await this.account(ports.bedrock, { kind: 'bedrock', credentials });
    return { usual: await this.key(usual), bedrock: await this.key(bedrock) };
  }

  /** Answers its id. */
  private async account(
    port: number,
    more: { readonly kind: string; readonly credentials: object },
  ): Promise<string> {
    const made = await this.create('accounts', {
      name: more.kind,
      baseUrl: `http://127.0.0.1:${port}`,
      ...more,
    });
    return String(made['id']);
  }

  /** Of a key that only this account serves: the key itself. */
  private async key(account: string): Promise<string> {
    const made = await this.create('keys', {
      name: account,
      scopes: SCOPES,
      models: ['*'],
      accounts: [account],
    });
    return String(made['key']);
  }

  private create(resource: string, body: object): Promise<Record<string, unknown>> {
    return this.ask(`/${resource}`, { method: 'POST', body: JSON.stringify(body) });
  }

  /** Attempts by outcome, once there are `expected` of them or no more come. */
  async ledger(expected: number): Promise<Record<string, number>> {
    for (const until = Date.now() + SETTLED_MS; Date.now() < until; await sleep(100)) {
      const counts = Object.values(await this.attempts());
      if (counts.reduce((sum, count) => sum + count, 0) >= expected) break;
    }
    // A row too many would come after the last one that is due.
    await sleep(300);
    return this.attempts();
  }

  private async attempts(): Promise<Record<string, number>> {
    const to = new Date(Date.now() + 60_000).toISOString();
    const { items } = (await this.ask(`/usage?groupBy=outcome&to=${to}`)) as {
      items: { outcome: string; attempts: number }[];
    };
    return Object.fromEntries(items.map(({ outcome, attempts }) => [outcome, attempts]));
  }

  private async ask(path: string, init: RequestInit = {}): Promise<Record<string, unknown>> {
    const headers = { authorization: `Bearer ${this.token}`, 'content-type': 'application/json' };
    const answer = await fetch(this.url + path, { ...init, headers });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as Record<string, unknown>;
  }
}
