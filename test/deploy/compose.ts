import { parse } from 'yaml';
import { readText } from './repository.ts';

export interface Service {
  readonly image: string;
  readonly command?: readonly string[];
  readonly restart?: string;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly tmpfs?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly deploy?: { readonly replicas: number };
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test?: readonly string[]; readonly disable?: boolean };
  readonly stop_signal?: string;
  readonly stop_grace_period?: string;
}

export interface Compose {
  readonly services: Readonly<Record<'postgres' | 'migrate' | 'relay' | 'balancer', Service>>;
  readonly volumes?: Readonly<Record<string, unknown>>;
}

/** docker-compose.yml with anchors and merge keys resolved; `${…}` is left as it is written. */
export function readCompose(): Compose {
  return parse(readText('docker-compose.yml'), { merge: true }) as Compose;
}

/** `330s` → 330. */
export function secondsOf(duration: string | undefined): number {
  const [, digits] = /^(\d+)s$/.exec(duration ?? '') ?? [];
  if (digits === undefined) throw new Error(`not a number of seconds: ${duration}`);
  return Number(digits);
}
