import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'undici';

/** Where a Node process lets itself be inspected after SIGUSR1: one process of a machine at a time. */
const INSPECTOR = 'http://127.0.0.1:9229/json/list';
const LISTENS_WITHIN_MS = 10_000;
const EVERY_MS = 20;

/** Another Node process through its inspector. What it holds behind a collection of garbage, it needs. */
export class Inspected {
  private readonly waiting = new Map<number, () => void>();
  private asked = 0;

  private constructor(private readonly socket: WebSocket) {
    socket.addEventListener('message', ({ data }: { readonly data: unknown }) => {
      const { id } = JSON.parse(String(data)) as { readonly id: number };
      this.waiting.get(id)?.();
      this.waiting.delete(id);
    });
  }

  /** @throws Error when the process does not let itself be inspected within 10 s */
  static async of(pid: number): Promise<Inspected> {
    process.kill(pid, 'SIGUSR1');
    const socket = new WebSocket(await urlToInspect());
    await new Promise((resolve, reject) => {
      socket.addEventListener('open', resolve);
      socket.addEventListener('error', reject);
    });
    return new Inspected(socket);
  }

  /** Resolves when all of its garbage is collected. */
  collectGarbage(): Promise<void> {
    return this.ask('HeapProfiler.collectGarbage', {});
  }

  /** Another process of this machine can be inspected then. */
  async close(): Promise<void> {
    // The end of the inspector waits for that of its connections.
    const expression = "setImmediate(() => process.getBuiltinModule('node:inspector').close()), 0";
    await this.ask('Runtime.evaluate', { expression });
    const closed = new Promise((resolve) => this.socket.addEventListener('close', resolve));
    this.socket.close();
    await closed;
  }

  private ask(method: string, params: object): Promise<void> {
    const id = ++this.asked;
    const answer = new Promise<void>((resolve) => this.waiting.set(id, resolve));
    this.socket.send(JSON.stringify({ id, method, params }));
    return answer;
  }
}

async function urlToInspect(): Promise<string> {
  for (let waited = 0; ; waited += EVERY_MS) {
    try {
      const [target] = (await (await fetch(INSPECTOR)).json()) as { webSocketDebuggerUrl: string }[];
      if (target !== undefined) return target.webSocketDebuggerUrl;
    } catch (error) {
      if (waited > LISTENS_WITHIN_MS) throw error;
    }
    await sleep(EVERY_MS);
  }
}
