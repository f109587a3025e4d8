import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { Families } from './family.ts';
import { mergeMetrics, type TakenMetrics } from './merged-metrics.ts';

const WORDS = ['claude', 'a "quoted" one', 'back\\slash', 'two\nlines', '10'];
const SECONDS = [0, 0.001, 0.0011, 0.7, 1, 1.5, 3, 1e9, -0.5];
const BOUNDS = [0.001, 0.0025, 1, 2.5];

/** The same events told to metrics of prom-client, which are the oracle. */
function expected(): Registry {
  const registry = new Registry();
  const registers = [registry];
  const calls = new Counter({
    name: 'relay_calls_total',
    help: 'Calls\nof \\ all',
    labelNames: ['door', 'end'],
    registers,
  });
  const open = new Gauge({ name: 'relay_open', help: 'Open', labelNames: ['lane'], registers });
  const wait = new Histogram({
    name: 'relay_wait_seconds',
    help: 'Wait',
    buckets: BOUNDS,
    labelNames: ['door'],
    registers,
  });
  new Counter({ name: 'relay_none_total', help: 'None', registers });
  new Gauge({ name: 'relay_level', help: 'Level', registers });
  new Histogram({ name: 'relay_whole', help: 'Whole', buckets: BOUNDS, registers });
  new Counter({ name: 'relay_unseen_total', help: 'Unseen', labelNames: ['door'], registers });
  for (const door of WORDS) {
    for (const [turn, seconds] of SECONDS.entries()) {
      calls.inc({ door, end: turn % 2 === 0 ? 'ok' : 'bad' }, turn / 10);
      open.inc({ lane: door }, 2);
      open.dec({ lane: door });
      wait.observe({ door }, seconds);
    }
  }
  open.set({ lane: 'count' }, -7);
  return registry;
}

function ours(): Registry {
  const registry = new Registry();
  const families = new Families(registry);
  const calls = families.counter('calls_total', 'Calls\nof \\ all', ['door', 'end']);
  const open = families.gauge('open', 'Open', ['lane']);
  const wait = families.histogram('wait_seconds', 'Wait', BOUNDS, ['door']);
  families.counter('none_total', 'None', []);
  families.gauge('level', 'Level', []);
  families.histogram('whole', 'Whole', BOUNDS, []);
  families.counter('unseen_total', 'Unseen', ['door']);
  for (const door of WORDS) {
    for (const [turn, seconds] of SECONDS.entries()) {
      calls.of(door, turn % 2 === 0 ? 'ok' : 'bad').add(turn / 10);
      open.of(door).add(2);
      open.of(door).add(-1);
      wait.of(door).observe(seconds);
    }
  }
  open.of('count').set(-7);
  return registry;
}

/** As it arrives from another process. */
async function taken(registry: Registry): Promise<TakenMetrics> {
  return JSON.parse(JSON.stringify(await registry.getMetricsAsJSON())) as TakenMetrics;
}

describe('families of series', () => {
  it('are exposed byte for byte as metrics of prom-client that saw the same', async () => {
    const text = await ours().metrics();
    expect(text).toBe(await expected().metrics());
    expect(text).toContain('relay_wait_seconds_bucket{le="0.0025",door="two\\nlines"} 4');
  });

  it('say the same at each scrape, and what happened since', async () => {
    const registry = new Registry();
    const calls = new Families(registry).counter('calls_total', 'Calls', ['door']);
    calls.of('claude').add();
    const first = await registry.metrics();
    expect(await registry.metrics()).toBe(first);
    calls.of('claude').add(2);
    expect(await registry.metrics()).toBe(first.replace('} 1', '} 3'));
  });

  it('are merged over several workers byte for byte as metrics of prom-client', async () => {
    const merged = async (make: () => Registry): Promise<string> =>
      mergeMetrics(
        [],
        new Map([
          [1, await taken(make())],
          [2, await taken(make())],
        ]),
      );
    const text = await merged(ours);
    expect(text).toBe(await merged(expected));
    expect(text).toContain('relay_calls_total{door="claude",end="ok",worker="2"} 2\n');
  });

  it('take no number that would spoil a sum for good', () => {
    const families = new Families(new Registry());
    const calls = families.counter('calls_total', 'Calls', []).of();
    const wait = families.histogram('wait_seconds', 'Wait', BOUNDS, []).of();
    for (const bad of [Number.NaN, Infinity, -1]) expect(() => calls.add(bad)).toThrow(RangeError);
    for (const bad of [Number.NaN, Infinity, -Infinity]) expect(() => wait.observe(bad)).toThrow(RangeError);
  });
});
