import { readFileSync } from 'node:fs';

/** The part of V8's CPU profile format that is read here; times in microseconds of the monotonic clock. */
interface CpuProfile {
  readonly startTime: number;
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

export interface Window {
  readonly from: number;
  readonly to: number;
}

/** Now, on the clock of CPU profiles. */
export function profileClock(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

/** The functions that had the most time for themselves within a window, as lines of text. */
export function topOfProfile(path: string, window: Window, count: number): string[] {
  const profile = JSON.parse(readFileSync(path, 'utf8')) as CpuProfile;
  const frames = new Map(profile.nodes.map((node) => [node.id, node.callFrame]));
  const micros = new Map<string, number>();
  let now = profile.startTime;
  let busy = 0;
  profile.samples.forEach((id, index) => {
    const spent = profile.timeDeltas[index] ?? 0;
    now += spent;
    const frame = frames.get(id);
    if (frame === undefined || now < window.from || now > window.to) return;
    if (frame.functionName === '(idle)') return;
    busy += spent;
    const place = frame.url.replace(/^.*\/(node_modules|dist)\//, '');
    const name = `${frame.functionName || '(anonymous)'} ${place === '' ? '' : `${place}:${frame.lineNumber + 1}`}`;
    micros.set(name, (micros.get(name) ?? 0) + spent);
  });
  return [...micros]
    .sort(([, a], [, b]) => b - a)
    .slice(0, count)
    .map(([name, spent]) => `${((100 * spent) / busy).toFixed(1).padStart(5)} %  ${name}`);
}
