import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { admin, ADMIN_TOKEN } from './relay.ts';
import { type SpawnedRelay, spawnRelay } from './spawned-relay.ts';

/** Relays as processes of their own, alike, on one database, with one folder for their spools. */
export class Fleet {
  private readonly running: SpawnedRelay[] = [];
  readonly spoolDir = mkdtempSync(join(tmpdir(), 'relay-fleet-'));
  private readonly encryptionKey = `k1:${randomBytes(32).toString('base64')}`;

  readonly metricsToken = randomBytes(24).toString('base64url');

  constructor(
    private readonly databaseUrl: string,
    private readonly variables: Readonly<Record<string, string>> = {},
  ) {}

  get relays(): readonly SpawnedRelay[] {
    return this.running;
  }

  /** @param more variables of this relay alone */
  async start(more: Readonly<Record<string, string>> = {}, entry?: string): Promise<SpawnedRelay> {
    const relay = await spawnRelay(
      {
        DATABASE_URL: this.databaseUrl,
        RELAY_ADMIN_TOKEN: ADMIN_TOKEN,
        RELAY_ENCRYPTION_KEYS: this.encryptionKey,
        RELAY_ALLOWED_UPSTREAMS: '127.0.0.0/8',
        RELAY_LOG_LEVEL: 'warn',
        RELAY_METRICS_TOKEN: this.metricsToken,
        RELAY_SPOOL_DIR: this.spoolDir,
        ...this.variables,
        ...more,
      },
      entry,
    );
    this.running.push(relay);
    return relay;
  }

  /** SIGTERM to the oldest. @returns its exit code */
  async retire(): Promise<number | null> {
    const [oldest] = this.running.splice(0, 1);
    if (oldest === undefined) throw new Error('No relay runs');
    return oldest.leave();
  }

  /** SIGKILL to the oldest. */
  async kill(): Promise<void> {
    const [oldest] = this.running.splice(0, 1);
    await oldest?.kill();
  }

  /** Makes an object over REST, on the oldest relay. @throws Error unless it was made */
  async create<Made>(resource: string, body: object): Promise<Made> {
    const answer = await admin(this.running[0]?.url ?? '', 'POST', `/${resource}`, body);
    if (answer.status !== 201)
      throw new Error(`POST ${resource}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body as Made;
  }

  /** A counter of all that run now, labels summed up. @param name without the prefix of all metrics */
  async counted(name: string): Promise<number> {
    let sum = 0;
    for (const relay of this.running) {
      const text = await this.scrape(relay);
      const line = new RegExp(`^relay_${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm');
      for (const [, value] of text.matchAll(line)) sum += Number(value);
    }
    return sum;
  }

  /** Of Node's own gauges of one relay's event loop, in seconds, since they were last asked for. */
  async loopLag(relay: SpawnedRelay, figure: 'max' | 'p99'): Promise<number> {
    const line = new RegExp(`^nodejs_eventloop_lag_${figure}_seconds (\\S+)$`, 'm');
    return Number(line.exec(await this.scrape(relay))?.[1]);
  }

  private async scrape({ url }: SpawnedRelay): Promise<string> {
    const authorization = `Bearer ${this.metricsToken}`;
    return (await fetch(`${url}/metrics`, { headers: { authorization } })).text();
  }

  /** Ends all in peace. @returns their exit codes */
  async close(): Promise<(number | null)[]> {
    const codes = await Promise.all(this.running.splice(0).map((relay) => relay.leave()));
    rmSync(this.spoolDir, { recursive: true, force: true });
    return codes;
  }
}
