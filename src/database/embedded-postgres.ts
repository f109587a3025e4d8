import type { ChildProcess } from 'node:child_process';
import { chown, open, readFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { resolve } from 'node:path';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { openCluster, ownerOfCluster, type ClusterFolder } from './cluster-folder.ts';
import { findBinaries, ROOT_PLACE, type PostgresBinaries } from './postgres-binaries.ts';
import { choosePostgresUser, type PostgresUser } from './postgres-user.ts';
import { clearTheWay, FolderInUse, noteSupervisor, readPidFile, stopProcess } from './postmaster.ts';

/**
 * Supervisor of a real Postgres on loopback, one for each data folder. Its states:
 *
 * - starting: the way is cleared, `postgres` is started, and its pid file is read until it says `ready`
 * - running: when the server ends without being asked, it is started again on the same port
 * - stopping: asked to end, in three degrees; nothing starts it again
 *
 * When this process dies in any way, the kernel (on Linux) ends the server; elsewhere the next start does.
 */
export interface EmbeddedPostgres {
  /** With the superuser's password in it: never to be logged. */
  readonly url: string;
  stop(): Promise<void>;
}

export interface EmbeddedPostgresOptions {
  readonly dataDir: string;
  /** False for databases that are thrown away. */
  readonly fsync?: boolean;
  /** Server settings by name. */
  readonly settings?: Readonly<Record<string, string | number>>;
  /**
   * Asked once a program of Postgres' runs that is waited for, at most twice: its start takes a processor of its own, and
   * this process may be kept busy meanwhile. Not before another relay can see whose Postgres it is.
   */
  readonly meanwhile?: () => void;
  /** Takes sentences for the operator: the data lies elsewhere; the server ended by itself and is started again. */
  readonly tell?: (sentence: string) => void;
}

/** Somebody took the port after it was found free. */
class PortTaken extends Error {}

const READY_WITHIN_MS = 120_000;
const ATTEMPTS = 5;

/** @throws Error with a sentence for the operator. */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const dataDir = resolve(options.dataDir);
  const fsync = options.fsync ?? true;
  const user = await choosePostgresUser(await ownerOfCluster(dataDir));
  const binaries = await findBinaries(user);
  const cluster = await openCluster(dataDir, user, binaries, { sync: fsync, meanwhile: options.meanwhile });
  await clearTheWay(cluster);
  if (cluster.path.startsWith(ROOT_PLACE)) options.tell?.(`The database lies in ${cluster.path}`);

  const port = await freePort();
  const launch = (meanwhile?: () => void): Promise<ChildProcess> =>
    launchServer(cluster, user, binaries, port, { ...options, fsync, meanwhile });
  let server = await launch(options.meanwhile);
  let stopping = false;
  let restarting = Promise.resolve();

  const watch = (): void => {
    server.once('exit', (code, signal) => {
      if (stopping) return;
      options.tell?.(`The embedded Postgres ended (${signal ?? `code ${code}`}); starting it again`);
      restarting = restart();
    });
  };
  const restart = async (): Promise<void> => {
    for (let pause = 100; !stopping; pause = Math.min(pause * 2, 5_000)) {
      try {
        server = await launch();
        if (stopping) await end(server);
        else watch();
        return;
      } catch (error) {
        options.tell?.(error instanceof Error ? error.message : String(error));
        await sleep(pause);
      }
    }
  };
  const lastResort = (): void => void server.kill('SIGQUIT');
  process.once('exit', lastResort);
  watch();

  return {
    url: `postgres://relay:${cluster.password}@127.0.0.1:${port}/postgres`,
    async stop() {
      stopping = true;
      process.removeListener('exit', lastResort);
      await end(server);
      await restarting;
    },
  };
}

async function end(server: ChildProcess): Promise<void> {
  server.ref();
  await stopProcess(server.pid ?? 0, () => hasEnded(server));
}

function hasEnded(server: ChildProcess): boolean {
  return server.exitCode !== null || server.signalCode !== null;
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}

/** Starts the server and waits until it answers. Children of a killed postmaster may need a moment to notice. */
async function launchServer(
  cluster: ClusterFolder,
  user: PostgresUser,
  binaries: PostgresBinaries,
  port: number,
  options: Omit<EmbeddedPostgresOptions, 'meanwhile'> & { readonly meanwhile: (() => void) | undefined },
): Promise<ChildProcess> {
  for (let attempt = 1; ; attempt += 1) {
    const log = await open(cluster.log, 'w', 0o600);
    if (user.isOther) await chown(cluster.log, user.uid, user.gid);
    const server = user.start(binaries.postgres, serverArguments(cluster, port, options), {
      signalOnDeath: 'QUIT',
      output: log.fd,
      cwd: cluster.path,
    });
    await log.close();
    server.unref();
    if (await becomesReady(cluster, server, options.meanwhile)) return server;
    const said = (await readFile(cluster.log, 'utf8').catch(() => '')).trim();
    if (attempt < ATTEMPTS && said.includes('shared memory block')) {
      await sleep(200 * attempt);
      continue;
    }
    if (said.includes('could not bind'))
      throw new PortTaken(`Port ${port} of the embedded Postgres is taken`);
    if (said.includes('lock file "postmaster.pid" already exists')) throw new FolderInUse(cluster);
    throw new Error(`The embedded Postgres did not start:\n${said.split('\n').slice(-6).join('\n')}`);
  }
}

function serverArguments(
  cluster: ClusterFolder,
  port: number,
  options: Pick<EmbeddedPostgresOptions, 'fsync' | 'settings'>,
): string[] {
  const settings = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: '',
    timezone: 'UTC',
    log_timezone: 'UTC',
    // Statement texts stay out of the log.
    log_min_error_statement: 'panic',
    ...(options.fsync === false ? { fsync: 'off', full_page_writes: 'off' } : {}),
    ...options.settings,
  };
  return [
    '-D',
    cluster.pgdata,
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ];
}

async function becomesReady(
  cluster: ClusterFolder,
  server: ChildProcess,
  meanwhile: (() => void) | undefined,
): Promise<boolean> {
  let failed = false;
  let noted = false;
  server.once('error', () => (failed = true));
  for (const started = performance.now(); performance.now() - started < READY_WITHIN_MS; await sleep(10)) {
    if (failed || hasEnded(server)) return false;
    const found = await readPidFile(cluster);
    if (found === undefined || found.pid !== server.pid) continue;
    if (!noted) {
      await noteSupervisor(cluster);
      meanwhile?.();
    }
    noted = true;
    if (found.ready) return true;
  }
  await end(server);
  return false;
}
