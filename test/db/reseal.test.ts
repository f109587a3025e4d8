import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataSource } from 'typeorm';
import { insertAccount } from '../../src/accounts/accounts.repository.ts';
import { CredentialVault } from '../../src/accounts/credential-vault.ts';
import { openKeyRing, proveKeyRing } from '../../src/accounts/key-ring.ts';
import { reseal } from '../../src/accounts/resealing.ts';
import { generateKeyRingText, parseKeyRing, SealBroken } from '../../src/accounts/sealing.ts';
import { dataSourceOptions } from '../../src/database/data-source.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

const OLD = generateKeyRingText('old');
const NEW = generateKeyRingText('new');
const oldRing = parseKeyRing(OLD);
const bothRings = parseKeyRing(`${NEW},${OLD}`);
const newRing = parseKeyRing(NEW);

let database: TestDatabase;
let source: DataSource;

async function makeAccount(vault: CredentialVault, values: Record<string, string>): Promise<string> {
  const id = randomUUID();
  await insertAccount(source, id, 1n, {
    name: id,
    kind: 'made-up',
    baseUrl: null,
    priority: 50,
    weight: 1,
    maxConcurrency: 0,
    models: null,
    onClientLeave: 'cancel',
    enabled: true,
    settings: {},
    shownProxyUrl: null,
  });
  await vault.insert(source, id, { values });
  return id;
}

async function dump(): Promise<string> {
  const tables = await source.query<{ name: string }[]>(
    `select quote_ident(table_name) as name from information_schema.tables where table_schema = 'public'`,
  );
  const rows: unknown[] = [];
  for (const { name } of tables) rows.push(await source.query(`select t::text as row from ${name} t`));
  return JSON.stringify(rows);
}

beforeEach(async () => {
  database = await createDatabase();
  source = await new DataSource(dataSourceOptions(database.url)).initialize();
});

afterEach(async () => {
  await source.destroy();
  await database.drop();
});

describe('credentials at rest', () => {
  it('do not stand in a dump of the tables, as text, hex or base64', async () => {
    const secret = `sk-canary-${randomUUID()}`;
    await makeAccount(new CredentialVault(oldRing), { apiKey: secret });
    await proveKeyRing(oldRing, source);
    const dumped = await dump();
    expect(dumped).toContain('made-up');
    for (const encoding of ['utf8', 'hex', 'base64'] as const) {
      // 9 bytes in: no alignment of base64 is missed.
      for (const from of [9, 10, 11]) {
        const part = Buffer.from(secret.slice(from, from + 24)).toString(encoding);
        expect(dumped).not.toContain(part);
      }
    }
  });

  it('do not open in another row, nor an older one in its own', async () => {
    const vault = new CredentialVault(oldRing);
    const [one, two] = [
      await makeAccount(vault, { apiKey: 'one' }),
      await makeAccount(vault, { apiKey: 'two' }),
    ];
    const sealedOf = async (id: string): Promise<Buffer> => {
      const rows = await source.query<{ sealed: Buffer }[]>(
        'select sealed from account_credentials where account_id = $1',
        [id],
      );
      return rows[0]?.sealed ?? Buffer.alloc(0);
    };
    const put = (id: string, sealed: Buffer) =>
      source.query('update account_credentials set sealed = $2 where account_id = $1', [id, sealed]);
    const [sealedOne, sealedTwo] = [await sealedOf(one), await sealedOf(two)];

    await put(one, sealedTwo);
    await put(two, sealedOne);
    await expect(vault.read(source, one)).rejects.toThrow(SealBroken);
    await expect(vault.read(source, two)).rejects.toThrow(SealBroken);

    await put(one, sealedOne);
    expect((await vault.read(source, one))?.values).toEqual({ apiKey: 'one' });
    await vault.replace(source, one, 1, { values: { apiKey: 'newer' } });
    await put(one, sealedOne);
    await expect(vault.read(source, one)).rejects.toThrow(SealBroken);
  });
});

describe('a change of the encryption key', () => {
  it('moves every credential and the check value, and keeps versions, while others read and renew', async () => {
    const vault = new CredentialVault(bothRings);
    const old = new CredentialVault(oldRing);
    await proveKeyRing(oldRing, source);
    const ids: string[] = [];
    for (let index = 0; index < 450; index += 1) ids.push(await makeAccount(old, { apiKey: `sk-${index}` }));

    let reading = true;
    let failures = 0;
    const others = (async () => {
      for (let turn = 0; reading; turn += 1) {
        const id = ids[turn % ids.length] ?? '';
        const seen = await vault.read(source, id).catch(() => undefined);
        if (seen === undefined) failures += 1;
        // Sealed by a replica that does not know the new key yet.
        else if (turn % 7 === 0)
          await old.replace(source, id, seen.version, seen).catch(() => (failures += 1));
      }
    })();
    await reseal(database.url, bothRings);
    reading = false;
    await others;
    const { unreadable } = await reseal(database.url, bothRings);

    expect(failures).toBe(0);
    expect(unreadable).toEqual([]);
    await proveKeyRing(newRing, source);
    const moved = new CredentialVault(newRing);
    for (const [index, id] of ids.entries()) {
      expect((await moved.read(source, id))?.values).toEqual({ apiKey: `sk-${index}` });
    }
    await expect(proveKeyRing(oldRing, source)).rejects.toThrow('RELAY_ENCRYPTION_KEYS');
  });

  it('leaves a credential that does not open as it is, and moves the others', async () => {
    const old = new CredentialVault(oldRing);
    await proveKeyRing(oldRing, source);
    const [good, broken] = [
      await makeAccount(old, { apiKey: 'good' }),
      await makeAccount(old, { apiKey: 'bad' }),
    ];
    await source.query('update account_credentials set version = 9 where account_id = $1', [broken]);
    expect(await reseal(database.url, bothRings)).toEqual({ moved: 1, unreadable: [broken] });
    expect((await new CredentialVault(newRing).read(source, good))?.values).toEqual({ apiKey: 'good' });
    // An administrator's new credential mends it.
    await new CredentialVault(newRing).supersede(source, broken, () => ({
      values: { apiKey: 'mended' },
    }));
    expect((await new CredentialVault(newRing).read(source, broken))?.version).toBe(10);
  });
});

describe('the check of the key ring at boot', () => {
  it('lets replicas that start together agree on one check value', async () => {
    await Promise.all(Array.from({ length: 8 }, () => proveKeyRing(oldRing, source)));
    await proveKeyRing(bothRings, source);
  });

  it('refuses the losing ring when two replicas start with different ones', async () => {
    const other = parseKeyRing(generateKeyRingText('old'));
    const results = await Promise.allSettled([proveKeyRing(oldRing, source), proveKeyRing(other, source)]);
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  it('refuses a ring without the key, and another key under its id, naming the setting and no value', async () => {
    await proveKeyRing(oldRing, source);
    for (const wrong of [newRing, parseKeyRing(generateKeyRingText('old'))]) {
      const refused = proveKeyRing(wrong, source);
      await expect(refused).rejects.toThrow(/RELAY_ENCRYPTION_KEYS.*does not fit this database/);
      await expect(refused).rejects.not.toThrow(OLD.slice(4));
    }
  });
});

describe('the key ring of the data directory', () => {
  it('is made once, for the owner alone, and is the same at every start', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'relay-keys-'));
    try {
      const first = openKeyRing({ encryptionKeys: undefined, dataDir });
      const second = openKeyRing({ encryptionKeys: undefined, dataDir });
      await proveKeyRing(first, source);
      await proveKeyRing(second, source);
      expect((await stat(join(dataDir, 'encryption-keys'))).mode & 0o777).toBe(0o600);
      const text = await readFile(join(dataDir, 'encryption-keys'), 'utf8');
      await writeFile(join(dataDir, 'encryption-keys'), `${NEW},${text}`);
      expect(openKeyRing({ encryptionKeys: undefined, dataDir }).newest).toBe('new');
    } finally {
      await rm(dataDir, { recursive: true });
    }
  });
});
