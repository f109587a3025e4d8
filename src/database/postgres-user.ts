import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';

/** Postgres refuses to run as root, so root lends it another user; everybody else runs it as themselves. */
export interface PostgresUser {
  readonly name: string;
  /** Another user than the one this process runs as. */
  readonly isOther: boolean;
  readonly uid: number;
  readonly gid: number;
  /** May this user walk to `path` and use (read or run) it? Asked of the kernel, not computed. */
  canReach(path: string): Promise<boolean>;
  /**
   * Starts a program as this user in a session of its own (a terminal's Ctrl-C does not reach it). On Linux the kernel
   * sends it `signalOnDeath` when this process dies in any way. The death signal is tied to the starting thread: call
   * from the main thread only.
   */
  start(program: string, args: readonly string[], options: StartOptions): ChildProcess;
}

export interface StartOptions {
  readonly signalOnDeath: 'KILL' | 'QUIT';
  /** File descriptor for both outputs. */
  readonly output: number;
  readonly cwd: string;
}

const SETPRIV = ['/usr/bin/setpriv', '/bin/setpriv'].find((path) => existsSync(path));

/** Nothing of the relay's own environment (it holds secrets) is handed to Postgres. */
const ENVIRONMENT = { PATH: '/usr/bin:/bin:/usr/sbin:/sbin', LC_ALL: 'C', TZ: 'UTC' };

/** @param owner uid of an existing cluster: root goes on as its owner, whoever that is. */
export async function choosePostgresUser(
  owner: { uid: number; gid: number } | undefined,
): Promise<PostgresUser> {
  const uid = process.getuid?.() ?? -1;
  if (uid !== 0) return makeUser('that starts the relay', false, uid, process.getgid?.() ?? -1);
  if (owner !== undefined && owner.uid !== 0) return makeUser(`${owner.uid}`, true, owner.uid, owner.gid);
  const nobody = await nobodyOfThisMachine();
  return makeUser('nobody', true, nobody.uid, nobody.gid);
}

async function nobodyOfThisMachine(): Promise<{ uid: number; gid: number }> {
  const accounts = await readFile('/etc/passwd', 'utf8').catch(() => '');
  const [, uid, gid] = /^nobody:[^:]*:(-?\d+):(-?\d+):/m.exec(accounts) ?? [];
  return uid === undefined || gid === undefined
    ? { uid: 65_534, gid: 65_534 }
    : { uid: Number(uid) >>> 0, gid: Number(gid) >>> 0 };
}

function makeUser(name: string, isOther: boolean, uid: number, gid: number): PostgresUser {
  const become = isOther ? { uid, gid } : {};
  return {
    name,
    isOther,
    uid,
    gid,
    canReach: (path) =>
      process.platform === 'win32'
        ? Promise.resolve(true)
        : new Promise((resolve) => {
            // Supplementary groups are dropped by Node when it changes the user.
            const probe = ['-c', 'test -r "$1" && test -x "$1"', 'sh', path];
            execFile('/bin/sh', probe, { cwd: '/', env: ENVIRONMENT, ...become }, (error) =>
              resolve(error === null),
            );
          }),
    start(program, args, { signalOnDeath, output, cwd }) {
      const options = {
        cwd,
        env: ENVIRONMENT,
        detached: true,
        windowsHide: true,
        stdio: ['ignore', output, output] as ['ignore', number, number],
      };
      if (process.platform !== 'linux' || SETPRIV === undefined) {
        return spawn(program, args, { ...options, ...become });
      }
      const asUser = isOther ? [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'] : [];
      // setpriv turns into the program: its process id is Postgres' own.
      return spawn(SETPRIV, [...asUser, `--pdeathsig=${signalOnDeath}`, program, ...args], options);
    },
  };
}
