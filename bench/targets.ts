import { type Child, startServer } from './child.ts';
import type { Children } from './children.ts';
import type { Target } from './measure.ts';
import { startNginx } from './nginx.ts';
import { type RelayChild, type RelayOptions, startOf, startRelay } from './relay.ts';

/** The driver straight at the upstream: what the instruments can do. */
export const NO_PROXY = 'no proxy';
export const NGINX = 'nginx';
export const BARE = 'bare Node proxy';
export const RELAY = 'llm-relay';
const OTHER_BUILD = 'the other build';

/** Without nginx where it is not installed. */
export interface Bench {
  readonly targets: readonly Target[];
  /** The bare proxy. */
  readonly basis: Target;
  readonly upstream: Child;
  readonly ports: Readonly<Record<'upstream' | 'bedrock', number>>;
  readonly relay: RelayChild;
  /** Another one, with an upstream and a Postgres like those of the first. */
  startRelay(options: RelayOptions): Promise<RelayChild>;
}

/** @param beside the folder of another checkout that is measured too */
export async function startBench(
  children: Children,
  profileFolder: string | undefined,
  beside: string | undefined,
): Promise<Bench> {
  const upstream = await children.begin(() => startServer('upstream'));
  const bedrock = await children.begin(() => startServer('bedrock-upstream', '200'));
  const ports = { upstream: upstream.port, bedrock: bedrock.port };
  const start = (options: RelayOptions): Promise<RelayChild> =>
    children.begin(() => startRelay(ports, options));
  const bare = await children.begin(() => startServer('bare-proxy', String(upstream.port)));
  const basis: Target = { name: BARE, ...bare };
  const nginx = await startNginx(upstream.port);
  if (nginx !== undefined) await children.begin(() => Promise.resolve(nginx));
  const relay = await start({ profileFolder });
  const targets: Target[] = [
    { name: NO_PROXY, ...upstream },
    ...(nginx === undefined ? [] : [{ name: NGINX, ...nginx }]),
    basis,
    { name: RELAY, ...relay },
  ];
  if (beside !== undefined) {
    const other = await start({ start: startOf(beside) });
    targets.push({ name: OTHER_BUILD, ...other });
  }
  return { targets, basis, upstream, ports, relay, startRelay: start };
}
