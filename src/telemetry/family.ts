import type { Metric, Registry } from 'prom-client';
import { Count, type Exposed, Level, type Series, Spread } from './series.ts';

/** A value for each label. */
type Values<Names extends readonly string[]> = { readonly [Place in keyof Names]: string };

interface Branch<One> {
  readonly next: Map<string, Branch<One>>;
  one: One | undefined;
}

/**
 * A metric with all of its series. prom-client's own metrics check the labels and join them into a text at each event,
 * which were seventeen texts a request; here a series is found by as many looks into a map as it has labels, and its
 * lines are made at a scrape. The registry asks `get`, and cannot tell it from a metric of prom-client.
 *
 * State: the series by the values of their labels, and all of them in the order in which they were first met, which is
 * that of the exposition.
 */
export class Family<Names extends readonly string[], One extends Series> {
  readonly aggregator = 'sum';

  private readonly root: Branch<One> = { next: new Map(), one: undefined };
  private readonly all: { readonly labels: Readonly<Record<string, string>>; readonly one: One }[] = [];

  constructor(
    readonly type: 'counter' | 'gauge' | 'histogram',
    readonly name: string,
    readonly help: string,
    private readonly labelNames: Names,
    private readonly make: () => One,
  ) {
    // Without labels there is one series, and it is told from the start.
    if (labelNames.length === 0) this.root.one = this.begin([]);
  }

  /** The series with these values of the labels, begun where it is first asked for. */
  of(...values: Values<Names>): One {
    let branch = this.root;
    for (let place = 0; place < values.length; place += 1) {
      const value = values[place] ?? '';
      let next = branch.next.get(value);
      if (next === undefined) branch.next.set(value, (next = { next: new Map(), one: undefined }));
      branch = next;
    }
    return (branch.one ??= this.begin(values));
  }

  /** At a scrape. */
  get(): Promise<
    Readonly<Record<'name' | 'help' | 'type', string>> & { readonly values: readonly Exposed[] }
  > {
    const { name, help, type, aggregator } = this;
    const values = this.all.flatMap(({ labels, one }) => one.expose(name, labels));
    return Promise.resolve({ name, help, type, aggregator, values });
  }

  private begin(values: readonly string[]): One {
    const one = this.make();
    const labels = Object.fromEntries(this.labelNames.map((name, place) => [name, values[place] ?? '']));
    this.all.push({ labels, one });
    return one;
  }
}

/** The relay's metrics of one registry. Labels stand in the exposition in the order in which they are named. */
export class Families {
  constructor(private readonly registry: Registry) {}

  counter<const Names extends readonly string[]>(
    name: string,
    help: string,
    labelNames: Names,
  ): Family<Names, Count> {
    return this.add(new Family('counter', `relay_${name}`, help, labelNames, () => new Count()));
  }

  gauge<const Names extends readonly string[]>(
    name: string,
    help: string,
    labelNames: Names,
  ): Family<Names, Level> {
    return this.add(new Family('gauge', `relay_${name}`, help, labelNames, () => new Level()));
  }

  histogram<const Names extends readonly string[]>(
    name: string,
    help: string,
    bounds: readonly number[],
    labelNames: Names,
  ): Family<Names, Spread> {
    return this.add(new Family('histogram', `relay_${name}`, help, labelNames, () => new Spread(bounds)));
  }

  private add<Names extends readonly string[], One extends Series>(
    family: Family<Names, One>,
  ): Family<Names, One> {
    // A registry asks no more of a metric than what a family has; the declared type lists the methods that move one.
    this.registry.registerMetric(family as unknown as Metric);
    return family;
  }
}
