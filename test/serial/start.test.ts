import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What the build joins, started as the image starts it. */
const START = fileURLToPath(new URL('../../dist/joined/cli/start.js', import.meta.url));

describe('npm start', () => {
  let dataDir: string;
  let child: ChildProcess;
  let output: string;

  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'relay-start-'));
    await chmod(dataDir, 0o755);
  });
  afterEach(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await until(() => processesOf(dataDir).length === 0);
    await rm(dataDir, { recursive: true, force: true });
  });

  const start = async (more: Readonly<Record<string, string>> = {}): Promise<string> => {
    // Nothing of the environment of whoever runs the tests.
    const env = {
      PATH: process.env['PATH'],
      RELAY_DATA_DIR: dataDir,
      PORT: '0',
      RELAY_DRAIN_ACCEPT_SECONDS: '0',
      ...more,
    };
    child = spawn(process.execPath, [START], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    output = '';
    const note = (chunk: Buffer): void => void (output += chunk.toString());
    child.stdout?.on('data', note);
    child.stderr?.on('data', note);
    let url: string | undefined;
    await until(() => {
      if (child.exitCode !== null) throw new Error(`it ended:\n${output}`);
      url = /llm-relay listens on (\S+)/.exec(output)?.[1];
      return url !== undefined;
    });
    return url as unknown as string;
  };

  it('runs on its own Postgres, shows the first token once, and leaves with code 0 and no process', async () => {
    const url = await start();
    expect((await fetch(`${url}/health/ready`)).status).toBe(200);
    const [, token = ''] = /first administrator's token, shown only now: (\S+)/.exec(output) ?? [];
    // Files of the repository and of a package, found from where the joined code lies.
    for (const path of ['openapi.json', 'docs', 'docs/swagger-ui-bundle.js']) {
      const answer = await fetch(`${url}/${path}`, { headers: { authorization: `Bearer ${token}` } });
      expect([path, answer.status]).toEqual([path, 200]);
      await answer.text();
    }
    const team = await fetch(`${url}/admin/v1/teams`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'night watch' }),
    });
    expect([team.status, await team.json()]).toMatchObject([201, { name: 'night watch' }]);
    child.kill('SIGINT');
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
    expect(processesOf(dataDir)).toEqual([]);

    const ofWorkers = await start({ RELAY_WORKERS: '2' });
    expect((await fetch(`${ofWorkers}/health/ready`)).status).toBe(200);
    expect(output).not.toMatch(/first administrator's token/);
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  const onLinux = process.platform === 'linux' ? it : it.skip;

  onLinux('leaves no Postgres when it is killed', async () => {
    await start();
    expect(processesOf(dataDir).length).toBeGreaterThan(0);
    child.kill('SIGKILL');
    await until(() => processesOf(dataDir).length === 0);
  });
});

/** Postgres servers that were started for this data folder (Linux; elsewhere none are found). */
function processesOf(dataDir: string): string[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(`${dataDir}/postgres/pgdata`);
    } catch {
      return false;
    }
  });
}

async function until(met: () => boolean): Promise<void> {
  for (const start = Date.now(); !met(); await new Promise((wake) => setTimeout(wake, 20))) {
    if (Date.now() - start > 20_000) throw new Error('waited for too long');
  }
}
