import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const CHILD = fileURLToPath(new URL('../support/departing-child.js', import.meta.url));

describe('leaving on signals', () => {
  let child: ChildProcess;
  let said: unknown[];
  afterEach(() => child.kill('SIGKILL'));

  const start = async (how: string): Promise<void> => {
    child = fork(CHILD, [how], { execArgv: [] });
    said = [];
    child.on('message', (message) => said.push(message));
    await once(child, 'message');
  };
  const exit = async (): Promise<unknown[]> => once(child, 'exit');
  const pause = (ms: number): Promise<void> => new Promise((wake) => setTimeout(wake, ms));

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('ends with code 0 after %s', async (signal) => {
    await start('quick');
    child.kill(signal);
    expect(await exit()).toEqual([0, null]);
  });

  it('counts what comes within a second as one wish', async () => {
    await start('wait');
    child.kill('SIGINT');
    child.kill('SIGTERM');
    await pause(300);
    child.kill('SIGINT');
    await pause(300);
    expect(said).toEqual(['ready', 'leaving']);
    expect(child.exitCode).toBeNull();
  });

  it('hurries when asked again later, and still ends with code 0 when that is enough', async () => {
    await start('wait');
    child.kill('SIGTERM');
    await pause(1_200);
    child.kill('SIGTERM');
    expect(await exit()).toEqual([0, null]);
    expect(said).toEqual(['ready', 'leaving', 'hurrying']);
  });

  it('goes with code 1 when hurrying is not enough', async () => {
    await start('stuck');
    child.kill('SIGTERM');
    await pause(1_200);
    child.kill('SIGTERM');
    expect(await exit()).toEqual([1, null]);
  });
});
