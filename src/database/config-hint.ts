import pg from 'pg';
import { withSessionSettings } from './session-settings.ts';

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 5_000;

/**
 * One LISTEN connection. States: connecting → listening → (connection lost) waiting, each time twice as long up to 5 s
 * → connecting … until closed. `onHint` is called for each notification, and once whenever listening begins, because
 * notifications sent meanwhile are lost.
 */
export class ConfigHint {
  private client: pg.Client | undefined;
  private timer: NodeJS.Timeout | undefined;
  private pause = FIRST_PAUSE_MS;
  private closed = false;

  constructor(
    private readonly url: string,
    private readonly channel: string,
    private readonly onHint: () => void,
  ) {}

  start(): void {
    if (!this.closed) void this.listen();
  }

  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.timer);
    await this.client?.end().catch(() => undefined);
  }

  private async listen(): Promise<void> {
    const client = new pg.Client({
      connectionString: withSessionSettings(this.url, { application_name: 'llm-relay hint' }),
      connectionTimeoutMillis: 5_000,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
    });
    this.client = client;
    client.on('error', () => undefined);
    client.once('end', () => this.again());
    client.on('notification', this.onHint);
    try {
      await client.connect();
      await client.query(`listen ${pg.escapeIdentifier(this.channel)}`);
      this.pause = FIRST_PAUSE_MS;
      this.onHint();
    } catch {
      // `end` follows, or followed; where it does not, this brings the next try.
      await client.end().catch(() => undefined);
      this.again();
    }
  }

  private again(): void {
    if (this.closed || this.timer !== undefined) return;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.start();
    }, this.pause).unref();
    this.pause = Math.min(this.pause * 2, LONGEST_PAUSE_MS);
  }
}
