import { Injectable } from '@nestjs/common';
import { ConfigChanges } from '../database/config-changes.ts';
import { ConfigWatch } from '../database/config-watch.ts';
import { ProblemError } from '../errors/problem-error.ts';
import { UpstreamRegistry } from '../upstream/upstream-registry.ts';
import { ANY_KIND, MODEL_NAME, MODEL_NAME_PROBLEM } from './model-names.ts';
import { PriceBook } from './price-book.ts';
import { priceFrom, viewPrice } from './price-view.ts';
import type { PutPriceDto } from './prices.dto.ts';
import { BY_ADMINISTRATOR, PricesRepository, type StoredPrice } from './prices.repository.ts';
import { timeOf } from './time-range.ts';

@Injectable()
export class PricesService {
  constructor(
    private readonly prices: PricesRepository,
    private readonly book: PriceBook,
    private readonly changes: ConfigChanges,
    private readonly watch: ConfigWatch,
    private readonly upstreams: UpstreamRegistry,
  ) {}

  list(
    filter: { readonly kind?: string; readonly model?: string },
    before: string | undefined,
    limit: number,
  ): Promise<StoredPrice[]> {
    return this.prices.list(filter, before, limit);
  }

  /** @throws ProblemError naming the field */
  async put(model: string, body: PutPriceDto, actor: string): Promise<StoredPrice> {
    if (!MODEL_NAME.test(model)) throw ProblemError.fields([{ field: 'model', problem: MODEL_NAME_PROBLEM }]);
    if (body.kind !== undefined && this.upstreams.get(body.kind) === undefined) {
      const problem = `must be one of ${this.upstreams.kinds().join(', ')}`;
      throw ProblemError.fields([{ field: 'kind', problem }]);
    }
    const price = priceFrom(body);
    const now = new Date();
    const effectiveFrom =
      body.effectiveFrom === undefined ? now : timeOf('effectiveFrom', body.effectiveFrom);
    const kind = body.kind ?? ANY_KIND;
    const before = this.book.find(kind, model, effectiveFrom);
    const row = await this.changes.write<StoredPrice>(
      {
        actor,
        action: 'price.put',
        resource: 'price',
        resourceId: model,
        before: before === undefined ? null : viewPrice(before),
        after: viewPrice,
      },
      async (tx, version) => {
        const [stored] = await this.prices.insert(tx, version, [
          { kind, model, effectiveFrom, price, source: BY_ADMINISTRATOR },
        ]);
        if (stored === undefined) throw new Error('The price was not stored');
        return stored;
      },
    );
    await this.watch.refresh();
    return row;
  }
}
