import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { decodePrice, encodePrice, type PriceRecord } from './price-record.ts';
import type { Price } from './pricing.ts';

/** Who put a row: an administrator, or a version of the seed (`genai-prices@…`). */
export const BY_ADMINISTRATOR = 'administrator';

/** A row of `prices`. Rows are only ever added. */
export interface StoredPrice {
  readonly id: string;
  readonly version: bigint;
  /** A kind of account, or `*` for all. */
  readonly kind: string;
  readonly model: string;
  readonly effectiveFrom: Date;
  readonly price: Price;
  readonly source: string;
  readonly createdAt: Date;
}

export type NewPrice = Pick<StoredPrice, 'kind' | 'model' | 'effectiveFrom' | 'price' | 'source'>;

interface Row {
  readonly id: string;
  readonly version: string;
  readonly kind: string;
  readonly model: string;
  readonly effectiveFrom: Date;
  readonly price: PriceRecord;
  readonly source: string;
  readonly createdAt: Date;
}

const COLUMNS = `id, version, kind, model, effective_from as "effectiveFrom", price, source, created_at as "createdAt"`;

@Injectable()
export class PricesRepository {
  constructor(private readonly database: DataSource) {}

  /** Rows written above `version`, in the order they were written. */
  async writtenAbove(version: bigint, tx: EntityManager = this.database.manager): Promise<StoredPrice[]> {
    const rows = await tx.query<Row[]>(`select ${COLUMNS} from prices where version > $1 order by id`, [
      String(version),
    ]);
    return rows.map(stored);
  }

  /** Last written first, below `before`. */
  async list(
    filter: { readonly kind?: string; readonly model?: string },
    before: string | undefined,
    limit: number,
  ): Promise<StoredPrice[]> {
    const rows = await this.database.query<Row[]>(
      `select ${COLUMNS} from prices
       where ($1::bigint is null or id < $1) and ($2::text is null or kind = $2) and ($3::text is null or model = $3)
       order by id desc limit $4`,
      [before ?? null, filter.kind ?? null, filter.model ?? null, limit],
    );
    return rows.map(stored);
  }

  async insert(tx: EntityManager, version: bigint, prices: readonly NewPrice[]): Promise<StoredPrice[]> {
    const rows = await tx.query<Row[]>(
      `insert into prices (version, kind, model, effective_from, price, source)
       select $1, kind, model, effective_from, price::jsonb, source
       from unnest($2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::text[])
         with ordinality as added (kind, model, effective_from, price, source, place)
       order by place
       returning ${COLUMNS}`,
      [
        String(version),
        prices.map((row) => row.kind),
        prices.map((row) => row.model),
        prices.map((row) => row.effectiveFrom),
        prices.map((row) => JSON.stringify(encodePrice(row.price))),
        prices.map((row) => row.source),
      ],
    );
    return rows.map(stored);
  }

  /** Whether this version of the seed has been applied to this database, ever. */
  async isSeeded(source: string, tx: EntityManager = this.database.manager): Promise<boolean> {
    const rows = await tx.query<unknown[]>('select from settings where name = $1', [markOf(source)]);
    return rows.length > 0;
  }

  async markSeeded(tx: EntityManager, source: string): Promise<void> {
    await tx.query('insert into settings (name, value) values ($1, $2)', [
      markOf(source),
      new Date().toISOString(),
    ]);
  }
}

function markOf(source: string): string {
  return `prices.seed.${source}`;
}

function stored(row: Row): StoredPrice {
  return { ...row, version: BigInt(row.version), price: decodePrice(row.price) };
}
