type Labels = Readonly<Record<string, string | number>>;

/** One line of the exposition, as prom-client's registry takes it from its own metrics. */
export interface Exposed {
  /** Where it is not the metric's. */
  readonly metricName?: string;
  readonly labels: Labels;
  readonly value: number;
}

/** What a metric counts under one set of labels: plain numbers until somebody scrapes. */
export interface Series {
  expose(name: string, labels: Labels): readonly Exposed[];
}

/** It never falls. */
export class Count implements Series {
  private value = 0;

  add(by = 1): void {
    if (!(by >= 0 && by < Infinity)) throw new RangeError(`A counter cannot count ${by}`);
    this.value += by;
  }

  expose(_name: string, labels: Labels): readonly Exposed[] {
    return [{ labels, value: this.value }];
  }
}

/** It rises and falls. */
export class Level implements Series {
  private value = 0;

  set(now: number): void {
    this.value = now;
  }

  add(by: number): void {
    this.value += by;
  }

  expose(_name: string, labels: Labels): readonly Exposed[] {
    return [{ labels, value: this.value }];
  }
}

/** How values lie between bounds: of each pair of neighbours their number, and the sum of all. */
export class Spread implements Series {
  private readonly counts: number[];
  private sum = 0;
  private count = 0;

  /** @param bounds ascending; each is told with what is at most so much */
  constructor(private readonly bounds: readonly number[]) {
    this.counts = bounds.map(() => 0);
  }

  observe(value: number): void {
    if (!Number.isFinite(value)) throw new RangeError(`A histogram cannot take ${value}`);
    const { bounds, counts } = this;
    this.sum += value;
    this.count += 1;
    for (let place = 0; place < bounds.length; place += 1) {
      if (value > (bounds[place] ?? Infinity)) continue;
      counts[place] = (counts[place] ?? 0) + 1;
      return;
    }
  }

  expose(name: string, labels: Labels): readonly Exposed[] {
    const metricName = `${name}_bucket`;
    let below = 0;
    const buckets = this.bounds.map((le, place) => {
      below += this.counts[place] ?? 0;
      return { metricName, labels: { le, ...labels }, value: below };
    });
    return [
      ...buckets,
      { metricName, labels: { le: '+Inf', ...labels }, value: this.count },
      { metricName: `${name}_sum`, labels: { ...labels }, value: this.sum },
      { metricName: `${name}_count`, labels: { ...labels }, value: this.count },
    ];
  }
}
