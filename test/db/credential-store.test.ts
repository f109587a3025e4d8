import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { HttpService } from '@nestjs/axios';
import { pino } from 'pino';
import { DataSource } from 'typeorm';
import { AccountDirectory } from '../../src/accounts/account-directory.ts';
import { insertAccount } from '../../src/accounts/accounts.repository.ts';
import { CredentialRenewal } from '../../src/accounts/credential-renewal.ts';
import {
  CredentialRefused,
  CredentialStore,
  CredentialUnavailable,
} from '../../src/accounts/credential-store.ts';
import { KeptRenewals } from '../../src/accounts/kept-renewals.ts';
import { CredentialHeld, CredentialVault } from '../../src/accounts/credential-vault.ts';
import { generateKeyRingText, parseKeyRing, type KeyRing } from '../../src/accounts/sealing.ts';
import { ConfigChanges } from '../../src/database/config-changes.ts';
import { dataSourceOptions } from '../../src/database/data-source.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import type { Account } from '../../src/upstream/account.ts';
import { AddressPolicy } from '../../src/upstream/address-policy.ts';
import { createAxios } from '../../src/upstream/axios-adapter.ts';
import { Egress } from '../../src/upstream/egress.ts';
import { UpstreamClient } from '../../src/upstream/upstream-client.ts';
import { UpstreamRegistry } from '../../src/upstream/upstream-registry.ts';
import type { Upstream } from '../../src/upstream/upstream.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

/** A token server: counts what it is asked, spends a refresh token with its first use, answers as told. */
class TokenServer {
  asked: string[] = [];
  behaviour: 'grant' | 'refuse' | 'hang' | 'fail' = 'grant';
  delayMs = 50;
  onAsk: () => Promise<void> = async () => undefined;
  private readonly spent = new Set<string>();
  private server: Server | undefined;

  async open(): Promise<string> {
    this.server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on(
        'end',
        () =>
          void this.answer(Buffer.concat(chunks).toString()).then((answer) => {
            if (answer === undefined) return;
            response.writeHead(answer.status, { 'content-type': 'application/json' });
            response.end(JSON.stringify(answer.body));
          }),
      );
    });
    await new Promise<void>((resolve) => this.server?.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/token`;
  }

  close(): void {
    this.server?.closeAllConnections();
    this.server?.close();
  }

  private async answer(refreshToken: string): Promise<{ status: number; body: object } | undefined> {
    this.asked.push(refreshToken);
    await this.onAsk();
    await new Promise((resolve) => setTimeout(resolve, this.delayMs));
    if (this.behaviour === 'hang') return undefined;
    if (this.behaviour === 'fail') return { status: 503, body: { error: 'temporarily_unavailable' } };
    if (this.behaviour === 'refuse' || this.spent.has(refreshToken)) {
      return { status: 400, body: { error: 'invalid_grant' } };
    }
    this.spent.add(refreshToken);
    const number = this.asked.length;
    return { status: 200, body: { access: `access-${number}`, refresh: `refresh-${number}` } };
  }
}

/** A kind whose credential is renewed by posting its refresh token. */
function upstream(): Upstream {
  return {
    kind: 'made-up',
    refresh: ({ values }: { values: Readonly<Record<string, string>> }) =>
      values.refreshToken === undefined
        ? undefined
        : {
            request: {
              method: 'POST',
              url: new URL(values.tokenUrl ?? ''),
              headers: { 'content-type': 'text/plain' },
              body: Buffer.from(values.refreshToken),
            },
            read: (body: Buffer) => {
              const { access, refresh } = JSON.parse(body.toString()) as { access: string; refresh: string };
              const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
              return {
                accessToken: access,
                refreshToken: refresh,
                tokenUrl: values.tokenUrl ?? '',
                expiresAt,
              };
            },
          },
  } as unknown as Upstream;
}

interface Replica {
  readonly source: DataSource;
  readonly store: CredentialStore;
  readonly vault: CredentialVault;
  readonly directory: AccountDirectory;
  readonly changes: ConfigChanges;
  readonly egress: Egress;
  readonly renewal: CredentialRenewal;
}

let database: TestDatabase;
let tokens: TokenServer;
let tokenUrl: string;
let ring: KeyRing;
let replicas: Replica[];

async function replica(): Promise<Replica> {
  const spoolDir = join(tmpdir(), 'llm-relay-test-spools', randomUUID());
  return replicaOn(spoolDir);
}

/** @param spoolDir this one's disk, which outlives it */
async function replicaOn(spoolDir: string): Promise<Replica> {
  const source = await new DataSource(dataSourceOptions(database.url)).initialize();
  const registry = new UpstreamRegistry();
  registry.register(upstream());
  const egress = new Egress(new AddressPolicy(['127.0.0.0/8']), { connectMs: 1_000 });
  const client = new UpstreamClient(new HttpService(createAxios()), egress);
  const vault = new CredentialVault(ring);
  const changes = new ConfigChanges(source);
  const log = pino({ level: 'silent' });
  const kept = new KeptRenewals({ spoolDir }, vault, log);
  const renewal = new CredentialRenewal(source, vault, registry, client, changes, new Metrics(), kept);
  const store = new CredentialStore(source, vault, renewal, log);
  return { source, store, vault, directory: new AccountDirectory(source), changes, egress, renewal };
}

async function makeAccount(values: Record<string, string>): Promise<Account> {
  const [{ changes, vault, directory }] = replicas as [Replica];
  const id = randomUUID();
  const settings = {
    name: id,
    kind: 'made-up',
    baseUrl: null,
    priority: 50,
    weight: 1,
    maxConcurrency: 0,
    models: null,
    onClientLeave: 'cancel' as const,
    enabled: true,
    settings: {},
    shownProxyUrl: null,
  };
  const entry = { actor: 'test', action: 'create', resource: 'account', resourceId: id };
  await changes.write(entry, async (tx, version) => {
    await insertAccount(tx, id, version, settings);
    await vault.insert(tx, id, { values });
  });
  await directory.update();
  const account = directory.get(id);
  if (account === undefined) throw new Error('the account was not read');
  return account;
}

async function stored(id: string): Promise<number | undefined> {
  const [{ vault, source }] = replicas as [Replica];
  return (await vault.read(source, id))?.version;
}

function expiring(inMs: number): Record<string, string> {
  const expiresAt = new Date(Date.now() + inMs).toISOString();
  return { accessToken: 'access-0', refreshToken: `refresh-${randomUUID()}`, tokenUrl, expiresAt };
}

beforeAll(async () => {
  database = await createDatabase();
  ring = parseKeyRing(generateKeyRingText('one'));
  replicas = [await replica(), await replica(), await replica()];
});

afterAll(async () => {
  for (const { source, egress } of replicas) {
    await source.destroy();
    await egress.destroy();
  }
  await database.drop();
});

beforeEach(async () => {
  tokens = new TokenServer();
  tokenUrl = await tokens.open();
});

afterEach(() => tokens.close());

describe('renewing a credential', () => {
  it('asks the token server once for 3 replicas with 50 calls each, and every call gets the new one', async () => {
    const account = await makeAccount(expiring(-1_000));
    const calls = replicas.flatMap(({ store }) =>
      Array.from({ length: 50 }, async () => store.current(account)),
    );
    const got = await Promise.all(calls);
    expect(tokens.asked).toHaveLength(1);
    expect(new Set(got.map(({ values }) => values.accessToken))).toEqual(new Set(['access-1']));
    expect(await stored(account.id)).toBe(2);
  });

  it('does the same after a refusal by the upstream', async () => {
    const account = await makeAccount(expiring(3_600_000));
    const calls = replicas.flatMap(({ store }) =>
      Array.from({ length: 50 }, async () => store.renew(account, (await store.current(account)).version)),
    );
    const got = await Promise.all(calls);
    expect(tokens.asked).toHaveLength(1);
    expect(new Set(got.map(({ version }) => version))).toEqual(new Set([2]));
  });

  it('tells the other replicas by a new version of the account, and the audit log without a value', async () => {
    const account = await makeAccount(expiring(-1_000));
    const [one, two] = replicas as [Replica, Replica];
    await two.directory.reload();
    await one.store.current(account);
    await two.directory.update();
    const seen = two.directory.get(account.id);
    expect(seen?.credentialsVersion).toBe(2);
    expect(seen?.version).toBeGreaterThan(account.version);
    const audit: { actor: string; before: unknown; after: unknown }[] = await one.source.query(
      `select actor, before, after from audit_log where resource = 'credential' and resource_id = $1`,
      [account.id],
    );
    expect(audit).toEqual([
      { actor: 'system', before: { credentialsVersion: 1 }, after: { credentialsVersion: 2 } },
    ]);
  });

  it('happens ahead of time, and not at all while the credential has long to live', async () => {
    const [{ store }] = replicas as [Replica];
    const lasting = await makeAccount(expiring(3_600_000));
    expect((await store.current(lasting)).version).toBe(1);
    expect(tokens.asked).toHaveLength(0);
    const ending = await makeAccount(expiring(30_000));
    expect((await store.current(ending)).version).toBe(2);
  });

  it('leaves a call with the credential it has while that is good and the token server hangs or fails', async () => {
    const [{ store }] = replicas as [Replica];
    tokens.behaviour = 'hang';
    const hung = await makeAccount(expiring(30_000));
    expect((await store.current(hung)).version).toBe(1);
    tokens.behaviour = 'fail';
    const failed = await makeAccount(expiring(30_000));
    expect((await store.current(failed)).version).toBe(1);
    expect((await store.current(failed)).version).toBe(1);
    expect(tokens.asked).toHaveLength(2);
  });

  it('fails the call alone when the token server hangs: other accounts are served, and the next try may succeed', async () => {
    const [{ store }] = replicas as [Replica];
    const account = await makeAccount(expiring(-1_000));
    const other = await makeAccount({ apiKey: 'sk-other' });
    tokens.behaviour = 'hang';
    const hung = Promise.resolve(store.current(account));
    hung.catch(() => undefined);
    expect((await store.current(other)).values).toEqual({ apiKey: 'sk-other' });
    await expect(hung).rejects.toThrow(CredentialUnavailable);
    tokens.behaviour = 'grant';
    expect((await store.current(account)).version).toBe(2);
  });

  it('says that a person must act when the grant is dead, and does not ask again until there is a new one', async () => {
    const [{ store, changes, vault, directory }] = replicas as [Replica];
    const account = await makeAccount(expiring(-1_000));
    tokens.behaviour = 'refuse';
    await expect(store.current(account)).rejects.toThrow(CredentialRefused);
    await expect(store.current(account)).rejects.toThrow(CredentialRefused);
    expect(tokens.asked).toHaveLength(1);

    tokens.behaviour = 'grant';
    const entry = { actor: 'test', action: 'update', resource: 'account', resourceId: account.id };
    await changes.write(entry, async (tx, version) => {
      await vault.supersede(tx, account.id, () => ({ values: expiring(-1_000) }));
      await tx.query('update accounts set version = $2 where id = $1', [account.id, version.toString()]);
    });
    await directory.update();
    const edited = directory.get(account.id) as Account;
    expect((await store.current(edited)).version).toBe(3);
  });

  it('takes a newer stored version instead of asking, though its own copy is old', async () => {
    const [one, two] = replicas as [Replica, Replica];
    const account = await makeAccount(expiring(3_600_000));
    await two.store.current(account);
    await one.store.renew(account, 1);
    expect((await two.store.renew(account, 1)).version).toBe(2);
    expect(tokens.asked).toHaveLength(1);
  });

  it('takes a newer stored version when the token server says invalid_grant meanwhile', async () => {
    const [{ store, vault, source }] = replicas as [Replica];
    const account = await makeAccount(expiring(3_600_000));
    tokens.behaviour = 'refuse';
    // Stored by somebody who does not know of the lock: the renewing transaction is ended, as an idle one would be.
    tokens.onAsk = async () => {
      await source.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and state = 'idle in transaction'`,
      );
      await vault.replace(source, account.id, 1, { values: { accessToken: 'from elsewhere' } });
    };
    expect((await store.renew(account, 1)).values).toEqual({ accessToken: 'from elsewhere' });
  });

  it('stores a token that was answered while the database went away, instead of spending the old one twice', async () => {
    const [{ store, source }] = replicas as [Replica];
    const account = await makeAccount(expiring(-1_000));
    tokens.onAsk = async () => {
      await source.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and state = 'idle in transaction'`,
      );
    };
    await expect(store.current(account)).rejects.toThrow(CredentialUnavailable);
    const renewed = await store.current(account);
    expect(renewed.values.accessToken).toBe('access-1');
    expect(tokens.asked).toHaveLength(1);
    expect(await stored(account.id)).toBe(2);
  });

  it.each(['the next call', 'its start'])(
    'U21: is stored by %s of the process that comes after one that had the answer and no database',
    async (by) => {
      const spoolDir = join(tmpdir(), 'llm-relay-test-spools', randomUUID());
      const dying = await replicaOn(spoolDir);
      const account = await makeAccount(expiring(-1_000));
      tokens.onAsk = async () => {
        await dying.source.query(
          `select pg_terminate_backend(pid) from pg_stat_activity
            where datname = current_database() and state = 'idle in transaction'`,
        );
      };
      await expect(dying.store.current(account)).rejects.toThrow(CredentialUnavailable);
      expect(await stored(account.id)).toBe(1);
      expect(readFileSync(join(spoolDir, 'renewed', account.id), 'utf8')).not.toContain('access-1');
      const next = await replicaOn(spoolDir);
      try {
        if (by === 'its start') {
          await next.renewal.storeKept(() => account);
          expect(await stored(account.id)).toBe(2);
        }
        expect((await next.store.current(account)).values.accessToken).toBe('access-1');
        expect(tokens.asked).toHaveLength(1);
        expect(await stored(account.id)).toBe(2);
        expect(readdirSync(join(spoolDir, 'renewed'))).toEqual([]);
      } finally {
        for (const { source, egress } of [dying, next]) {
          await source.destroy();
          await egress.destroy();
        }
      }
    },
  );

  it('refuses what cannot be renewed', async () => {
    const [{ store }] = replicas as [Replica];
    const account = await makeAccount({ apiKey: 'sk-fixed' });
    await expect(store.renew(account, 1)).rejects.toThrow(CredentialRefused);
    expect(tokens.asked).toHaveLength(0);
  });

  it('holds no lock that an administrator waits for: an edit of the credential is told, other edits go through', async () => {
    const [{ store }, { changes, vault, source }] = replicas as [Replica, Replica];
    const account = await makeAccount(expiring(-1_000));
    let release = (): void => undefined;
    const asked = new Promise<void>((resolve) => {
      tokens.onAsk = async () => {
        resolve();
        await new Promise<void>((go) => (release = go));
      };
    });
    const renewing = store.current(account);
    await asked;
    const entry = { actor: 'test', action: 'update', resource: 'account', resourceId: account.id };
    await expect(
      changes.write(entry, (tx) => vault.supersede(tx, account.id, () => ({ values: { apiKey: 'sk-new' } }))),
    ).rejects.toThrow(CredentialHeld);
    await changes.write(entry, async (tx) => {
      await tx.query('update accounts set priority = 1 where id = $1', [account.id]);
    });
    release();
    expect((await renewing).version).toBe(2);
    await changes.write(entry, (tx) =>
      vault.supersede(tx, account.id, () => ({ values: { apiKey: 'sk-new' } })),
    );
    expect((await vault.read(source, account.id))?.version).toBe(3);
  });
});
