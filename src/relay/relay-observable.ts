import { Observable } from 'rxjs';
import type { Flow } from './flow.ts';
import type { RelayEvent } from './relay-event.ts';

/**
 * Async inside, Observable outside: a cold Observable for one subscriber over an async generator. After every event
 * the run waits at the flow's valve, so at most one event stands between upstream and client. Unsubscribing means
 * that the client left: the flow aborts, and the generator still runs to its end, because that is where it settles.
 *
 * @param track is given the whole run, so that shutdown can wait for it.
 */
export function relayObservable(
  flow: Flow,
  run: () => AsyncGenerator<RelayEvent, void>,
  track: (run: Promise<void>) => void,
): Observable<RelayEvent> {
  let taken = false;
  return new Observable<RelayEvent>((subscriber) => {
    if (taken) throw new Error('A relay run serves one subscriber');
    taken = true;

    let ended = false;
    const drive = async (): Promise<void> => {
      try {
        for await (const event of run()) {
          subscriber.next(event);
          const gate = flow.ready();
          if (gate !== undefined) await gate;
        }
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
