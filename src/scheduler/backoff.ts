/** Milliseconds before try `attempt` (from 0): between half and all of `first` × 2^attempt, at most `most`. */
export function backoffMs(attempt: number, first: number, most: number, random = Math.random): number {
  const full = Math.min(most, first * 2 ** Math.min(attempt, 30));
  return full / 2 + random() * (full / 2);
}
