import { randomBytes, randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Env, readEnv } from '../../src/config/env.ts';
import { type Relay, startRelay } from '../../src/main.ts';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { createDatabase } from './database.ts';
import { eventually } from './eventually.ts';
import { checkAnswer } from './openapi.ts';
import { query } from './query.ts';
import { expectQuiet } from './quiet.ts';
import { WatchedAnswers } from './watched-answers.ts';

export const ADMIN_TOKEN = `ra_${randomBytes(32).toString('base64url')}`;
const ENCRYPTION_KEY = `k1:${randomBytes(32).toString('base64')}`;

export type Variables = Readonly<Record<string, string>>;

/** Settings of a relay under test: real clocks are too long for tests, and upstreams are on loopback. */
export function testEnv(databaseUrl: string, more: Variables = {}): Env {
  return readEnv({
    DATABASE_URL: databaseUrl,
    PORT: '0',
    RELAY_ADMIN_TOKEN: ADMIN_TOKEN,
    RELAY_ENCRYPTION_KEYS: ENCRYPTION_KEY,
    RELAY_ALLOWED_UPSTREAMS: '127.0.0.0/8',
    RELAY_LOG_LEVEL: process.env['TEST_LOG_LEVEL'] ?? 'silent',
    RELAY_DRAIN_ACCEPT_SECONDS: '0',
    RELAY_DRAIN_SECONDS: '5',
    RELAY_SPOOL_DIR: join(tmpdir(), 'llm-relay-test-spools', randomUUID()),
    ...more,
  });
}

export interface AdminAnswer {
  readonly status: number;
  readonly headers: Headers;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- a test reads whatever the API answered
  readonly body: any;
}

/** Calls the administrators' API of a relay. @throws Error when the answer is not as documented */
export async function admin(
  url: string,
  method: string,
  path: string,
  body?: unknown,
  token = ADMIN_TOKEN,
): Promise<AdminAnswer> {
  const response = await fetch(`${url}/admin/v1${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const headers = Object.fromEntries(response.headers);
  checkAnswer({ method, path: `/admin/v1${path}`, status: response.status, headers, body: text });
  const isJson = /json/.test(response.headers.get('content-type') ?? '');
  const parsed: unknown = isJson && text !== '' ? JSON.parse(text) : text;
  return { status: response.status, headers: response.headers, body: parsed };
}

/** What creating answers, the fields that tests ask for most. */
export interface CreatedAccount {
  readonly id: string;
  readonly name: string;
}
export interface CreatedKey extends CreatedAccount {
  readonly key: string;
  readonly prefix: string;
}

/** One relay (or several replicas on one database) beside one simulator, with an account of each kind and a key. */
export class Rehearsal {
  private readonly relays: Relay[] = [];
  private readonly answers: WatchedAnswers[] = [];

  private constructor(
    readonly simulator: Simulator,
    readonly databaseUrl: string,
    private readonly dropDatabase: () => Promise<void>,
    private readonly variables: Variables,
  ) {}

  /** Boots everything; `variables` are environment variables of the relay. */
  static async start(variables: Variables = {}): Promise<Rehearsal> {
    const [simulator, database] = await Promise.all([startSimulator(), createDatabase()]);
    const spoolDir = join(tmpdir(), 'llm-relay-test-spools', randomUUID());
    const rehearsal = new Rehearsal(
      simulator,
      database.url,
      async () => {
        await database.drop();
        await rm(spoolDir, { recursive: true, force: true });
      },
      { RELAY_SPOOL_DIR: spoolDir, ...variables },
    );
    await rehearsal.addReplica();
    return rehearsal;
  }

  get url(): string {
    return this.replica(0).url;
  }

  replica(index: number): Relay {
    const relay = this.relays[index];
    if (relay === undefined) throw new Error(`There is no replica ${index}`);
    return relay;
  }

  async addReplica(variables: Variables = {}): Promise<Relay> {
    const relay = await startRelay(testEnv(this.databaseUrl, { ...this.variables, ...variables }));
    this.relays.push(relay);
    this.answers.push(new WatchedAnswers(relay.url));
    return relay;
  }

  async create(resource: string, body: object): Promise<AdminAnswer['body']> {
    const answer = await admin(this.url, 'POST', `/${resource}`, body);
    if (answer.status !== 201)
      throw new Error(`POST ${resource}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  claudeAccount(more: object = {}): Promise<CreatedAccount> {
    return this.account('claude', (name) => ({ apiKey: `sk-ant-sim-${name}` }), more);
  }

  consoleAccount(more: object = {}): Promise<CreatedAccount> {
    return this.account('claude-console', (name) => ({ apiKey: `sk-ant-sim-${name}` }), more);
  }

  ccrAccount(more: object = {}): Promise<CreatedAccount> {
    return this.account('ccr', (name) => ({ apiKey: `sk-ant-sim-${name}` }), more);
  }

  geminiAccount(more: object = {}): Promise<CreatedAccount> {
    return this.account('gemini', (name) => ({ apiKey: `gemini-sim-${name}` }), more);
  }

  /** `/v1` below the simulator, as OpenAI's own base URL has it. */
  openaiAccount(more: object = {}): Promise<CreatedAccount> {
    const baseUrl = `${this.simulator.url}/v1`;
    return this.account('openai-compatible', (name) => ({ apiKey: `sk-sim-${name}` }), { baseUrl, ...more });
  }

  bedrockAccount(more: object = {}): Promise<CreatedAccount> {
    const region = 'us-east-1';
    return this.account('bedrock', (name) => ({ region, apiKey: `bedrock-api-key-sim-${name}` }), more);
  }

  private account(
    kind: string,
    credentialsOf: (name: string) => object,
    more: object,
  ): Promise<CreatedAccount> {
    const name = `${kind}-${randomBytes(4).toString('hex')}`;
    const baseUrl = this.simulator.url;
    return this.create('accounts', { name, kind, baseUrl, credentials: credentialsOf(name), ...more });
  }

  /** A key for every door and model; answers the whole object, `key` included. */
  key(more: object = {}): Promise<CreatedKey> {
    return this.create('keys', {
      name: 'tests',
      scopes: ['claude', 'gemini', 'openai', 'bedrock'],
      models: ['*'],
      ...more,
    });
  }

  sql<Row = Record<string, unknown>>(text: string, values: unknown[] = []): Promise<Row[]> {
    return query<Row>(this.databaseUrl, text, values);
  }

  /** Ledger rows, oldest first, once `count` of them are there. */
  async ledger(count: number, withinMs = 10_000): Promise<Record<string, unknown>[]> {
    const until = Date.now() + withinMs;
    for (;;) {
      const rows = await this.sql('select * from ledger order by request_id, attempt');
      if (rows.length >= count || Date.now() > until) return rows;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** The newest ledger row once every call is settled. */
  async lastRow(): Promise<Record<string, unknown>> {
    await this.quiet();
    const [row] = await this.sql('select * from ledger order by request_id desc, attempt desc limit 1');
    if (row === undefined) throw new Error('The ledger is empty');
    return row;
  }

  async rowCount(): Promise<number> {
    await this.quiet();
    const [row] = await this.sql<{ count: number }>('select count(*)::integer as count from ledger');
    return row?.count ?? 0;
  }

  /**
   * No place taken, no open row, no deadlock, and every answer as documented: true of every test soon after its calls
   * are over. A call settles once its last byte is on the way, so a client may see the end first.
   */
  async quiet(): Promise<void> {
    for (const answers of this.answers) answers.check();
    await eventually(() => expectQuiet(this.databaseUrl), 5_000);
  }

  /** Ends every cooldown, so that what one test did to an account is not felt by the next. */
  async recover(): Promise<void> {
    await this.sql('delete from cooldowns');
  }

  async close(): Promise<void> {
    await Promise.all(this.relays.map((relay) => relay.close()));
    await this.simulator.close();
    await this.dropDatabase();
    for (const answers of this.answers) {
      answers.stop();
      answers.check();
    }
  }
}
