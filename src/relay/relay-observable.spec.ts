import { NO_USAGE } from '../dialects/dialect.ts';
import { Flow, type Left } from './flow.ts';
import type { RelayEvent } from './relay-event.ts';
import { relayObservable, type Tell } from './relay-observable.ts';

const END: RelayEvent = { type: 'end', outcome: 'completed', usage: NO_USAGE };

function data(text: string): RelayEvent {
  return { type: 'data', bytes: Buffer.from(text) };
}

function runOf(flow: Flow, run: (tell: Tell) => Promise<void>) {
  const runs: Promise<void>[] = [];
  return { events: relayObservable(flow, run, (one) => runs.push(one)), runs };
}

describe('a relay run as an Observable', () => {
  it('hands on events in order and completes', async () => {
    const flow = new Flow();
    const { events, runs } = runOf(flow, async (tell) => {
      await tell(data('a'));
      await tell(END);
    });
    const seen: string[] = [];
    events.subscribe({ next: (event) => seen.push(event.type), complete: () => seen.push('complete') });
    await Promise.all(runs);
    expect(seen).toEqual(['data', 'end', 'complete']);
  });

  it('begins nothing before it is subscribed to, and serves one subscriber', async () => {
    let begun = 0;
    const { events, runs } = runOf(new Flow(), async (tell) => {
      begun += 1;
      await tell(END);
    });
    expect(begun).toBe(0);
    events.subscribe();
    const refused: unknown[] = [];
    events.subscribe({ error: (error) => refused.push(error) });
    await Promise.all(runs);
    expect(begun).toBe(1);
    expect(refused).toHaveLength(1);
  });

  it('takes no further event from the source while the flow is paused', async () => {
    const flow = new Flow();
    let taken = 0;
    const { events, runs } = runOf(flow, async (tell) => {
      for (taken = 1; taken <= 5; taken += 1) await tell(data('x'));
    });
    events.subscribe(() => {
      if (taken === 2) flow.pause();
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(taken).toBe(2);
    flow.resume();
    await Promise.all(runs);
    expect(taken).toBe(6);
  });

  it('aborts on unsubscribe, and the source still reaches its finally, once, even when it was paused', async () => {
    const flow = new Flow();
    let settled = 0;
    const { events, runs } = runOf(flow, async (tell) => {
      try {
        for (;;) {
          await tell(data('x'));
          flow.signal.throwIfAborted();
        }
      } finally {
        settled += 1;
      }
    });
    const subscription = events.subscribe(() => flow.pause());
    subscription.unsubscribe();
    await Promise.allSettled(runs);
    expect(settled).toBe(1);
    expect((flow.signal.reason as Left).reason).toBe('client-left');
  });

  it('gives a failure before the head as the error', async () => {
    const { events, runs } = runOf(new Flow(), () => Promise.reject(new Error('no account')));
    const errors: unknown[] = [];
    events.subscribe({ error: (error) => errors.push(error) });
    await Promise.all(runs);
    expect(errors).toEqual([new Error('no account')]);
  });

  it('keeps the first reason for leaving', () => {
    const flow = new Flow();
    flow.leave('write-stall');
    flow.leave('client-left');
    expect((flow.signal.reason as Left).reason).toBe('write-stall');
  });
});
