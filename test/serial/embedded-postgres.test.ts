import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/database/embedded-postgres.ts';

const CHILD = fileURLToPath(new URL('../support/embedded-child.js', import.meta.url));

describe('the embedded Postgres', () => {
  let dataDir: string;
  const running: EmbeddedPostgres[] = [];
  const children: ChildProcess[] = [];

  beforeEach(async () => {
    const parent = await mkdtemp(join(tmpdir(), 'relay-embedded-'));
    await chmod(parent, 0o755);
    dataDir = join(parent, 'data');
  });
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await Promise.all(running.splice(0).map((postgres) => postgres.stop()));
    await rm(join(dataDir, '..'), { recursive: true, force: true });
  });

  const start = async (tell?: (sentence: string) => void): Promise<EmbeddedPostgres> => {
    const postgres = await startEmbeddedPostgres({ dataDir, fsync: false, ...(tell && { tell }) });
    running.push(postgres);
    return postgres;
  };
  const startChild = async (): Promise<{ child: ChildProcess; url?: string; problem?: string }> => {
    const child = fork(CHILD, [dataDir], { execArgv: [] });
    children.push(child);
    const [told] = (await once(child, 'message')) as [{ url?: string; problem?: string }];
    return { child, ...told };
  };

  it('starts cold, stops without a trace, and starts warm with its data', async () => {
    const cold = await start();
    await query(cold.url, 'create table kept (a integer); insert into kept values (42)');
    await cold.stop();
    expect(serversOf(dataDir)).toEqual([]);

    const warm = await start();
    expect(await query(warm.url, 'select a from kept')).toEqual([{ a: 42 }]);
  });

  it('sorts and folds text the same on every machine', async () => {
    const { url } = await start();
    const [row] = await query(
      url,
      `select datlocprovider, datlocale, pg_encoding_to_char(encoding) as encoding, lower('ÄÉ') as folded
       from pg_database where datname = current_database()`,
    );
    expect(row).toEqual({ datlocprovider: 'b', datlocale: 'C.UTF-8', encoding: 'UTF8', folded: 'äé' });
  });

  it('lets nobody in without the password, and listens on loopback only', async () => {
    const { url } = await start();
    const open = new URL(url);
    open.password = '';
    await expect(query(open.href, 'select 1')).rejects.toThrow(/password/);
    expect(await query(url, 'show listen_addresses')).toEqual([{ listen_addresses: '127.0.0.1' }]);
    const log = await readFile(join(dataDir, 'postgres', 'log'), 'utf8');
    expect(log).not.toContain(new URL(url).password);
  });

  it('is refused to a second relay while the first lives, in the same and in another process', async () => {
    const first = await start();
    await expect(start()).rejects.toThrow(/Another relay already uses the database/);
    expect((await startChild()).problem).toMatch(/Another relay already uses the database/);
    expect(await query(first.url, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  it('gives one of two that start cold at once the folder, and tells the other', async () => {
    const both = await Promise.all([startChild(), startChild()]);
    expect(both.filter(({ url }) => url !== undefined)).toHaveLength(1);
    const told = both.map(({ problem }) => problem).filter((problem) => problem !== undefined);
    expect(told).toEqual([expect.stringMatching(/Another relay already uses the database/)]);
  });

  const onLinux = process.platform === 'linux' ? it : it.skip;

  onLinux('leaves no process when the relay is killed, and the next start goes on', async () => {
    const { child, url } = await startChild();
    await query(url ?? '', 'create table kept (a integer)');
    const servers = serversOf(dataDir);
    expect(servers.length).toBeGreaterThan(1);
    child.kill('SIGKILL');
    await until(() => servers.every(isGone));

    const next = await start();
    expect(await query(next.url, 'select a from kept')).toEqual([]);
  });

  onLinux('is started again, with the same address, when all its processes were killed', async () => {
    const told: string[] = [];
    const { url } = await start((sentence) => told.push(sentence));
    const servers = serversOf(dataDir);
    for (const pid of servers) process.kill(pid, 'SIGKILL');
    await until(() => servers.every(isGone));
    await until(async () => query(url, 'select 1').then(Boolean, () => false));
    expect(told[0]).toMatch(/ended \(SIGKILL\)/);
  });

  it('forgets a pid file whose number now belongs to another program', async () => {
    await (await start()).stop();
    const stranger = spawn('sleep', ['60']);
    children.push(stranger);
    const pidFile = join(dataDir, 'postgres', 'pgdata', 'postmaster.pid');
    await writeFile(
      pidFile,
      `${stranger.pid}\n${join(dataDir, 'postgres', 'pgdata')}\n0\n5432\n\n\n\nready\n`,
    );
    const { url } = await start();
    expect(await query(url, 'select 1 as one')).toEqual([{ one: 1 }]);
    expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
  });

  it('tells why it cannot start instead of waiting', async () => {
    await (await start()).stop();
    await writeFile(join(dataDir, 'postgres', 'pgdata', 'PG_VERSION'), '15\n');
    await expect(start()).rejects.toThrow(/incompatible/);
  });

  it('tells that the data folder cannot be used', async () => {
    await writeFile(dataDir, 'a file');
    await expect(start()).rejects.toThrow(/RELAY_DATA_DIR/);
  });

  const asRoot = process.getuid?.() === 0 ? it : it.skip;

  asRoot(
    'keeps its data where the user nobody can reach it when the data folder is closed, and links there',
    async () => {
      await chmod(join(dataDir, '..'), 0o700);
      const told: string[] = [];
      const first = await start((sentence) => told.push(sentence));
      const place = readlinkSync(join(dataDir, 'postgres'));
      try {
        await query(first.url, 'create table kept (a integer)');
        await first.stop();
        expect(told).toEqual([`The database lies in ${place}`]);
        expect(place).toMatch(/^\/var\/lib\/llm-relay\/data-/);
        const again = await start();
        expect(await query(again.url, 'select a from kept')).toEqual([]);
        await again.stop();
      } finally {
        await rm(place, { recursive: true, force: true });
      }
    },
  );
});

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query(text)).rows as unknown[];
  } finally {
    await client.end();
  }
}

/** The server of this cluster and its children. On Linux only; elsewhere none are found. */
function serversOf(dataDir: string): number[] {
  if (process.platform !== 'linux') return [];
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const postmaster = pids.find((pid) => read(`/proc/${pid}/cmdline`).includes(`${dataDir}/postgres/pgdata`));
  if (postmaster === undefined) return [];
  const children = pids.filter((pid) => read(`/proc/${pid}/status`).includes(`\nPPid:\t${postmaster}\n`));
  return [postmaster, ...children].map(Number);
}

/** A dead process whose parent has not asked for its end yet counts as gone. */
function isGone(pid: number): boolean {
  return /^$|^State:\s*Z/m.test(read(`/proc/${pid}/status`));
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

async function until(met: () => boolean | Promise<boolean>): Promise<void> {
  for (const start = Date.now(); !(await met()); await new Promise((wake) => setTimeout(wake, 20))) {
    if (Date.now() - start > 15_000) throw new Error('waited for too long');
  }
}
