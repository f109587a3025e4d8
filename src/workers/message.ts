import type { Env } from '../config/env.ts';
import type { TakenMetrics } from '../telemetry/merged-metrics.ts';

/** What the process above the workers tells one of them. */
export type ToWorker =
  | { readonly act: 'begin'; readonly env: Env }
  /** How the others are; undefined: nothing that this one should mind. */
  | { readonly act: 'others'; readonly unable: string | undefined; readonly fewer: string | undefined }
  | { readonly act: 'measure'; readonly id: number }
  | { readonly act: 'scraped'; readonly id: number; readonly text: string }
  | { readonly act: 'leave' }
  | { readonly act: 'hurry' };

/** What a worker tells the process above. */
export type FromWorker =
  /** It listens to messages: what is sent earlier is lost in a worker (Node's cluster listens before it). */
  | { readonly act: 'hello' }
  | { readonly act: 'serving'; readonly url: string; readonly firstAdminToken: string | undefined }
  | { readonly act: 'failed'; readonly reason: string }
  /** Every second, and at once when it changes. */
  | { readonly act: 'able'; readonly able: boolean }
  | { readonly act: 'measured'; readonly id: number; readonly metrics: TakenMetrics }
  /** Wants the text of all workers' metrics. */
  | { readonly act: 'scrape'; readonly id: number };
