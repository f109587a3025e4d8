/**
 * What is pending, or the signal's reason as soon as it fires. What is pending goes on: nobody hears of its end then,
 * nor of its failure.
 */
export async function orCut<T>(pending: Promise<T>, signal: AbortSignal): Promise<T> {
  let onCut = (): void => undefined;
  const cut = new Promise<never>((_, reject) => {
    onCut = () => reject(signal.reason as Error);
    signal.addEventListener('abort', onCut, { once: true });
  });
  pending.catch(() => undefined);
  try {
    return await Promise.race([pending, cut]);
  } finally {
    signal.removeEventListener('abort', onCut);
  }
}
