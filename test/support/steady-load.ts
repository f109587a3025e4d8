import { asking, type Way } from './asking.ts';

/** How one call ended for its client. */
export interface Told {
  readonly clientRequestId: string;
  /** Undefined: no head came. */
  readonly status: number | undefined;
  /** The whole answer came, its end mark included. */
  readonly whole: boolean;
  readonly at: number;
  readonly ms: number;
  /** What was said instead of an answer, its beginning. */
  readonly said: string;
}

export interface Load {
  readonly callsPerSecond: number;
  /** Asked before each call. */
  readonly goesOn: () => boolean;
  readonly random: () => number;
  /** Where the next call goes, and with which key. */
  readonly target: () => { readonly url: string; readonly key: string };
  readonly ways: readonly Way[];
  /** Deltas of a streamed answer at most, and the pause between them. */
  readonly deltas?: number;
  readonly everyMs?: number;
  /** The share of clients that leave at a random moment of their first half second. */
  readonly leaving?: number;
}

/** For {@link Load.goesOn}: for so long, from now. */
export function lasting(ms: number): () => boolean {
  const until = Date.now() + ms;
  return () => Date.now() < until;
}

/** Calls at a steady rate, nobody waiting for anybody (an open loop). Resolves when every client has its answer. */
export async function steadily(load: Load): Promise<Told[]> {
  const calls: Promise<Told>[] = [];
  const started = Date.now();
  for (let sent = 0; load.goesOn(); sent += 1) {
    const late = started + (sent * 1_000) / load.callsPerSecond - Date.now();
    if (late > 0) await new Promise((resolve) => setTimeout(resolve, late));
    calls.push(one(load));
  }
  return Promise.all(calls);
}

async function one({ random, target, ways, deltas = 20, everyMs = 60, leaving = 0 }: Load): Promise<Told> {
  const signal = random() < leaving ? AbortSignal.timeout(Math.floor(random() * 500)) : null;
  const way = ways[Math.floor(random() * ways.length)] as Way;
  const { url, key } = target();
  const pace = `deltas=${2 + Math.floor(random() * deltas)} every=${Math.floor(random() * everyMs)}`;
  const { path, headers, body, clientRequestId } = asking(way, key, 'MARKED');
  const marked = body.replace('MARKED', `[[sim: ${pace} marker=${clientRequestId}]]`);
  const at = Date.now();
  const told = { clientRequestId, status: undefined, whole: false, at, said: '' };
  try {
    const answer = await fetch(url + path, { method: 'POST', headers, body: marked, signal });
    const { status } = answer;
    try {
      const text = await answer.text();
      const whole = status === 200 && isWhole(way, text);
      return { ...told, status, whole, ms: Date.now() - at, said: whole ? '' : text.slice(0, 300) };
    } catch (error) {
      return { ...told, status, ms: Date.now() - at, said: String(error) };
    }
  } catch (error) {
    const { cause } = error as Error;
    return { ...told, ms: Date.now() - at, said: `${String(error)} ${String(cause)}` };
  }
}

/** The whole answer came, its end mark included. */
export function isWhole(way: Way, text: string): boolean {
  switch (way) {
    case 'Claude SSE':
      return text.includes('event: message_stop');
    case 'OpenAI SSE':
      return text.includes('data: [DONE]');
    case 'Gemini SSE':
      return text.includes('"finishReason"');
    default:
      return /^[[{]/.test(text) && /[\]}]\s*$/.test(text);
  }
}
