import { Observable } from 'rxjs';
import type { Flow } from './flow.ts';
import type { RelayEvent } from './relay-event.ts';

/** Hands an event on; what it answers is to be awaited before the next one: the client's socket may be full. */
export type Tell = (event: RelayEvent) => Promise<void> | undefined;

/**
 * Async inside, Observable outside: a cold Observable for one subscriber over an async run that tells its events. After
 * every event the run waits at the flow's valve, so at most one event stands between upstream and client. Unsubscribing
 * means that the client left: the flow aborts, and the run still goes to its end, because that is where it settles.
 *
 * @param track is given the whole run, so that shutdown can wait for it.
 */
export function relayObservable(
  flow: Flow,
  run: (tell: Tell) => Promise<void>,
  track: (run: Promise<void>) => void,
): Observable<RelayEvent> {
  let taken = false;
  return new Observable<RelayEvent>((subscriber) => {
    if (taken) throw new Error('A relay run serves one subscriber');
    taken = true;

    let ended = false;
    const tell: Tell = (event) => {
      subscriber.next(event);
      return flow.ready();
    };
    const drive = async (): Promise<void> => {
      try {
        await run(tell);
        ended = true;
        subscriber.complete();
      } catch (error) {
        ended = true;
        subscriber.error(error);
      }
    };
    track(drive());
    return () => {
      if (!ended) flow.leave('client-left');
    };
  });
}
