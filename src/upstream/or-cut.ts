import { type Cancellation, onCancel } from './cancellation.ts';

/**
 * What is pending, or the signal's reason as soon as it fires. What is pending goes on: nobody hears of its end then,
 * nor of its failure.
 */
export function orCut<T>(pending: Promise<T>, signal: AbortSignal | Cancellation): Promise<T> {
  return new Promise((resolve, reject) => {
    const stopListening = onCancel(signal, () => reject(signal.reason as Error));
    pending.then(
      (value) => {
        stopListening();
        resolve(value);
      },
      (error: Error) => {
        stopListening();
        reject(error);
      },
    );
  });
}
