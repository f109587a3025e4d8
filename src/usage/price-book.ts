import { Injectable, type OnModuleInit } from '@nestjs/common';
import { ConfigWatch } from '../database/config-watch.ts';
import type { Usage } from '../dialects/dialect.ts';
import { ANY_KIND, priceNames } from './model-names.ts';
import { inForce } from './price-seed.ts';
import { BY_ADMINISTRATOR, PricesRepository, type StoredPrice } from './prices.repository.ts';
import { costAtMost, costOf, isFree } from './pricing.ts';

/** Both null = unpriced. `priceId` stands beside the usage in the ledger; null with a cost of 0 when nothing was used. */
export interface Cost {
  readonly costNanos: bigint | null;
  readonly priceId: string | null;
  /** Where there is no cost: the most that it may be, as far as a price is known. */
  readonly chargedNanos: bigint | null;
}

/** Of so many models the prices are known by name; a name may be a client's own. */
const MOST_RANKED = 1_000;

/** What a bigint column holds; a usage that costs more is none that anybody will be billed for. */
const MOST_NANOS = 2n ** 63n - 1n;

/**
 * Every price in memory, so that settling asks nobody. States: empty until the application has started; then as the
 * database was at the last change taken in. Rows are only added, never changed or taken away.
 */
@Injectable()
export class PriceBook implements OnModuleInit {
  private readonly ids = new Set<string>();
  /** By `kind model`, in the order they were written. */
  private readonly seeded = new Map<string, StoredPrice[]>();
  private readonly administered = new Map<string, StoredPrice[]>();
  /** By `kind model`: every list that may hold its price, best first, as far as it was asked for since the last change. */
  private readonly ranked = new Map<string, readonly (readonly StoredPrice[])[]>();

  constructor(
    private readonly prices: PricesRepository,
    private readonly watch: ConfigWatch,
  ) {}

  onModuleInit(): void {
    this.watch.onChange(async (fromVersion) => {
      for (const row of await this.prices.writtenAbove(fromVersion)) this.add(row);
    });
  }

  /** Another number for every change of what is known here. */
  get edition(): number {
    return this.ids.size;
  }

  /** `model` is the upstream's name for it, which is what the vendor bills; `at` is when the call was admitted. */
  cost(kind: string, model: string, usage: Usage, at: Date): Cost {
    const row = this.find(kind, model, at);
    if (row === undefined) return { costNanos: isFree(usage) ? 0n : null, priceId: null, chargedNanos: null };
    const costNanos = costOf(usage, row.price);
    if (costNanos !== null && costNanos <= MOST_NANOS) {
      return { costNanos, priceId: row.id, chargedNanos: null };
    }
    const most = costAtMost(usage, row.price);
    const chargedNanos = most !== null && most > MOST_NANOS ? MOST_NANOS : most;
    return { costNanos: null, priceId: null, chargedNanos };
  }

  /**
   * An administrator's price goes before every seeded one; then the exact name before the name without its release;
   * then the kind's own price before that of any kind; then the latest that has begun.
   */
  find(kind: string, model: string, at: Date): StoredPrice | undefined {
    for (const rows of this.ranking(kind, model)) {
      const row = inForce(rows, at);
      if (row !== undefined) return row;
    }
    return undefined;
  }

  private ranking(kind: string, model: string): readonly (readonly StoredPrice[])[] {
    const key = `${kind} ${model}`;
    const known = this.ranked.get(key);
    if (known !== undefined) return known;
    const lists = [this.administered, this.seeded].flatMap((shelf) =>
      priceNames(model).flatMap((name) =>
        [kind, ANY_KIND].flatMap((owner) => {
          const rows = shelf.get(`${owner} ${name}`);
          return rows === undefined ? [] : [rows];
        }),
      ),
    );
    if (this.ranked.size === MOST_RANKED) this.ranked.clear();
    this.ranked.set(key, lists);
    return lists;
  }

  private add(row: StoredPrice): void {
    if (this.ids.has(row.id)) return;
    this.ids.add(row.id);
    this.ranked.clear();
    const shelf = row.source === BY_ADMINISTRATOR ? this.administered : this.seeded;
    const name = `${row.kind} ${row.model}`;
    const rows = shelf.get(name) ?? [];
    rows.push(row);
    shelf.set(name, rows);
  }
}
