import { WebSocket } from 'undici';
import { eventually } from '../test/support/eventually.ts';

/** Where a Node process lets itself be inspected after SIGUSR1: one process of a machine at a time. */
const INSPECTOR = 'http://127.0.0.1:9229/json/list';
const ANSWERS_WITHIN_MS = 10_000;
/** From a connection's end to that of the inspector. Node may crash where the two meet (5 times of 100, Node 20 and 24). */
const APART_MS = 100;
const GONE = 'The inspected process is gone';

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

interface Answer {
  readonly id?: number;
  readonly error?: { readonly message: string };
  readonly result?: { readonly result?: { readonly value?: unknown } };
}

/** Another Node process through its inspector. What it holds behind a collection of garbage, it needs. */
export class Inspected {
  private readonly waiting = new Map<number, Waiting>();
  private asked = 0;

  private constructor(private readonly socket: WebSocket) {
    socket.addEventListener('message', ({ data }: { readonly data: unknown }) => {
      const { id, error, result } = JSON.parse(String(data)) as Answer;
      if (id === undefined) return;
      const waiting = this.waiting.get(id);
      this.waiting.delete(id);
      if (error === undefined) waiting?.resolve(result?.result?.value);
      else waiting?.reject(new Error(error.message));
    });
    socket.addEventListener('close', () => {
      for (const { reject } of this.waiting.values()) reject(new Error(GONE));
      this.waiting.clear();
    });
  }

  /** @throws Error when it does not let itself be inspected within 10 s, or another process does already */
  static async of(pid: number): Promise<Inspected> {
    process.kill(pid, 'SIGUSR1');
    const socket = new WebSocket(await eventually(urlToInspect));
    await new Promise((resolve, reject) => {
      socket.addEventListener('open', resolve);
      socket.addEventListener('error', reject);
    });
    const inspected = new Inspected(socket);
    const found = await inspected.ask('Runtime.evaluate', { expression: 'process.pid' });
    if (found === pid) return inspected;
    socket.close();
    throw new Error(`Process ${String(found)} is inspected, where ${pid} was to be`);
  }

  /** Resolves when all of its garbage is collected. */
  async collectGarbage(): Promise<void> {
    await this.ask('HeapProfiler.collectGarbage', {});
  }

  /** Another process of this machine can be inspected then. @throws Error when that is not so within 10 s */
  async close(): Promise<void> {
    const expression = `setTimeout(() => process.getBuiltinModule('node:inspector').close(), ${APART_MS}), 0`;
    await this.ask('Runtime.evaluate', { expression });
    this.socket.close();
    await eventually(async () => {
      const url = await urlToInspect().catch(() => undefined);
      if (url !== undefined) throw new Error(`There is still an inspector at ${INSPECTOR}`);
    });
  }

  private ask(method: string, params: object): Promise<unknown> {
    if (this.socket.readyState !== WebSocket.OPEN) return Promise.reject(new Error(GONE));
    const id = ++this.asked;
    const answer = new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
    this.socket.send(JSON.stringify({ id, method, params }));
    return answer;
  }
}

async function urlToInspect(): Promise<string> {
  const answer = await fetch(INSPECTOR, { signal: AbortSignal.timeout(ANSWERS_WITHIN_MS) });
  const [target] = (await answer.json()) as { readonly webSocketDebuggerUrl: string }[];
  if (target === undefined) throw new Error(`Nothing is to be inspected at ${INSPECTOR}`);
  return target.webSocketDebuggerUrl;
}
