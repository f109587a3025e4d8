import { CallError } from '../../dialects/dialect.ts';
import type { Effort, Thinking } from '../neutral.ts';

/** `ReasoningEffort` of openai 6.49. */
const EFFORTS: ReadonlySet<string> = new Set(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']);

/** @param show the client wants to read a summary. @throws CallError */
export function thinkingBy(effort: string, show: boolean, at: string): Thinking {
  if (!EFFORTS.has(effort)) throw new CallError(`${at}: is not known`);
  if (effort === 'none') return { mode: 'off', show: false };
  return { mode: 'effort', effort: effort as Effort, show };
}
