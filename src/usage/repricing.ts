import { Injectable } from '@nestjs/common';
import { ConfigChanges } from '../database/config-changes.ts';
import { ConfigWatch } from '../database/config-watch.ts';
import type { UnpricedRow } from './ledger-row.ts';
import { PriceBook } from './price-book.ts';
import type { RepricedDto } from './prices.dto.ts';
import type { TimeRange } from './time-range.ts';
import { type LedgerPosition, type PricedRow, UnpricedRepository } from './unpriced.repository.ts';

/** Rows for one transaction: it holds the one lock of all settings, so it is to be short. */
const BATCH = 2_000;

/** Gives a cost to settled rows that have none, by the prices known now for the time of each call. */
@Injectable()
export class Repricing {
  constructor(
    private readonly rows: UnpricedRepository,
    private readonly book: PriceBook,
    private readonly changes: ConfigChanges,
    private readonly watch: ConfigWatch,
  ) {}

  /** Each batch is a change of its own, so that what an interrupted run has done is on record. */
  async run(range: TimeRange, actor: string): Promise<RepricedDto> {
    // A price put a moment ago, on another replica perhaps, is to count.
    await this.watch.refresh();
    let repriced = 0;
    let read = 0;
    let behind: LedgerPosition | undefined;
    for (;;) {
      const rows = await this.rows.read(range, behind, BATCH);
      read += rows.length;
      const priced = rows.flatMap((row) => this.priced(row));
      if (priced.length > 0) repriced += await this.write(priced, range, actor);
      behind = rows.at(-1);
      if (rows.length < BATCH) break;
    }
    return {
      from: range.from.toISOString(),
      to: range.to.toISOString(),
      repriced,
      unpriced: read - repriced,
    };
  }

  private priced(row: UnpricedRow): PricedRow[] {
    const usage = {
      inputTokens: Number(row.inputTokens),
      cacheReadTokens: Number(row.cacheReadTokens),
      cacheWrite5mTokens: Number(row.cacheWrite5mTokens),
      cacheWrite1hTokens: Number(row.cacheWrite1hTokens),
      outputTokens: Number(row.outputTokens),
      reasoningTokens: Number(row.reasoningTokens),
      serverTools: row.serverTools ?? {},
    };
    const { costNanos, priceId } = this.book.cost(row.kind, row.upstreamModel, usage, row.admittedAt);
    return costNanos === null ? [] : [{ requestId: row.requestId, attempt: row.attempt, costNanos, priceId }];
  }

  private write(rows: readonly PricedRow[], range: TimeRange, actor: string): Promise<number> {
    return this.changes.write<number>(
      {
        actor,
        action: 'prices.reprice',
        resource: 'ledger',
        resourceId: `${range.from.toISOString()}/${range.to.toISOString()}`,
        after: (repriced: number) => ({ repriced }),
      },
      (tx) => this.rows.price(tx, rows),
    );
  }
}
