import { WebSocket } from 'undici';
import { eventually } from './eventually.ts';

/** Where a Node process lets itself be inspected after SIGUSR1: one process of a machine at a time. */
const INSPECTOR = 'http://127.0.0.1:9229/json/list';

/** Collects another Node process's garbage when it is asked to: what that process holds then, it needs. */
export class GarbageCollection {
  private readonly waiting = new Map<number, () => void>();
  private asked = 0;

  private constructor(private readonly socket: WebSocket) {
    socket.addEventListener('message', ({ data }: { readonly data: unknown }) => {
      const { id } = JSON.parse(String(data)) as { readonly id: number };
      this.waiting.get(id)?.();
      this.waiting.delete(id);
    });
  }

  static async of(pid: number): Promise<GarbageCollection> {
    process.kill(pid, 'SIGUSR1');
    const url = await eventually(async () => {
      const [target] = (await (await fetch(INSPECTOR)).json()) as { webSocketDebuggerUrl: string }[];
      if (target === undefined) throw new Error('Nothing is to be inspected');
      return target.webSocketDebuggerUrl;
    });
    const socket = new WebSocket(url);
    await new Promise((resolve, reject) => {
      socket.addEventListener('open', resolve);
      socket.addEventListener('error', reject);
    });
    return new GarbageCollection(socket);
  }

  /** Resolves when all of it is collected. */
  run(): Promise<void> {
    const id = ++this.asked;
    const done = new Promise<void>((resolve) => this.waiting.set(id, resolve));
    this.socket.send(JSON.stringify({ id, method: 'HeapProfiler.collectGarbage' }));
    return done;
  }

  close(): void {
    this.socket.close();
  }
}
