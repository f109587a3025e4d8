import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform, Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsInt,
  IsObject,
  IsString,
  Matches,
  Max,
  MaxLength,
  Min,
  ValidateNested,
} from 'class-validator';
import { MayBeAbsent } from '../admin/optional-field.ts';
import { MODEL_NAME, MODEL_NAME_PROBLEM } from './model-names.ts';
import { ISO_TIME, ISO_TIME_PROBLEM } from './time-range.ts';

/** Up to 999,999.999999999: whole nano-dollars, and no product that a bigint column could not hold in earnest. */
export const USD = /^\d{1,6}(?:\.\d{1,9})?$/;
export const USD_PROBLEM = 'must be decimal USD as a string, such as "3.00"';
const KIND = /^[a-z][a-z0-9-]{0,63}$/;
const KIND_PROBLEM = 'must be a kind of account';

/** Decimal USD for a million tokens of a class. */
const Amount = () => Matches(USD, { message: USD_PROBLEM });

/** What a request costs as a whole once its input, cached tokens included, is longer than `above`. */
export class LongContextDto {
  @IsInt()
  @Min(1)
  @Max(1_000_000_000)
  @ApiProperty({ type: 'integer', minimum: 1, maximum: 1_000_000_000, example: 200_000 })
  above!: number;

  @Amount()
  @ApiProperty({ type: String, example: '6.00' })
  input!: string;

  @MayBeAbsent()
  @Amount()
  @ApiPropertyOptional({ type: String })
  cacheRead?: string;

  @MayBeAbsent()
  @Amount()
  @ApiPropertyOptional({ type: String })
  cacheWrite5m?: string;

  @MayBeAbsent()
  @Amount()
  @ApiPropertyOptional({ type: String })
  cacheWrite1h?: string;

  @MayBeAbsent()
  @Amount()
  @ApiPropertyOptional({ type: String })
  output?: string;

  @MayBeAbsent()
  @Amount()
  @ApiPropertyOptional({ type: String })
  reasoning?: string;
}

/** Decimal USD for a million tokens of each class. A class left out is unpriced, not free. */
export class PutPriceDto {
  /** The kind of account it is for. Absent: every kind without a price of its own. */
  @MayBeAbsent()
  @Matches(KIND, { message: KIND_PROBLEM })
  @ApiPropertyOptional({ type: String, example: 'claude' })
  kind?: string;

  /** A day or a time with its zone; past or coming. Default: now. Rows of the ledger that have a cost keep it. */
  @MayBeAbsent()
  @Matches(ISO_TIME, { message: ISO_TIME_PROBLEM })
  @ApiPropertyOptional({ type: String, example: '2026-01-01T00:00:00Z' })
  effectiveFrom?: string;

  /** Uncached input. */
  @Amount()
  @ApiProperty({ type: String, example: '3.00' })
  input!: string;

  @MayBeAbsent()
  @Amount()
  @ApiPropertyOptional({ type: String, example: '0.30' })
  cacheRead?: string;

  @MayBeAbsent()
  @Amount()
  @ApiPropertyOptional({ type: String, example: '3.75' })
  cacheWrite5m?: string;

  @MayBeAbsent()
  @Amount()
  @ApiPropertyOptional({ type: String, example: '6.00' })
  cacheWrite1h?: string;

  @MayBeAbsent()
  @Amount()
  @ApiPropertyOptional({ type: String, example: '15.00' })
  output?: string;

  /** The reasoning part of the output; absent = as the rest of it. */
  @MayBeAbsent()
  @Amount()
  @ApiPropertyOptional({ type: String })
  reasoning?: string;

  /** Ascending; each prices the classes that are priced above. */
  @MayBeAbsent()
  @IsArray()
  @ArrayMaxSize(8)
  @ValidateNested({ each: true })
  @Type(() => LongContextDto)
  @ApiPropertyOptional({ type: () => [LongContextDto] })
  longContext?: LongContextDto[];

  /** Decimal USD for a thousand units, by the vendor's counter. */
  @MayBeAbsent()
  @IsObject()
  @ApiPropertyOptional({
    type: 'object',
    additionalProperties: { type: 'string' },
    example: { web_search_requests: '10.00' },
  })
  serverTools?: Record<string, string>;
}

/** Decimal USD for a million tokens of each class; classes left out have no known price. */
export class PriceDto {
  /** As `priceId` in the ledger. */
  @ApiProperty({ type: String, example: '42' })
  id!: string;

  /** Null: every kind without a price of its own. */
  @ApiProperty({ type: String, nullable: true, example: 'claude' })
  kind!: string | null;

  /** The model, or the model without its release: `claude-sonnet-4-5` serves `claude-sonnet-4-5-20250929` too. */
  @ApiProperty({ type: String, example: 'claude-sonnet-4-5' })
  model!: string;

  @ApiProperty({ type: String, format: 'date-time' })
  effectiveFrom!: string;

  /** `administrator`, or the list it was seeded from; the administrator's go first. */
  @ApiProperty({ type: String, example: 'genai-prices@0.1.8#2' })
  source!: string;

  @ApiProperty({ type: String, format: 'date-time' })
  createdAt!: string;

  @ApiPropertyOptional({ type: String, example: '3.00' })
  input?: string;

  @ApiPropertyOptional({ type: String })
  cacheRead?: string;

  @ApiPropertyOptional({ type: String })
  cacheWrite5m?: string;

  @ApiPropertyOptional({ type: String })
  cacheWrite1h?: string;

  @ApiPropertyOptional({ type: String })
  output?: string;

  @ApiPropertyOptional({ type: String })
  reasoning?: string;

  @ApiPropertyOptional({ type: () => [LongContextDto] })
  longContext?: LongContextDto[];

  /** Decimal USD for a thousand units, by the vendor's counter. */
  @ApiPropertyOptional({ type: 'object', additionalProperties: { type: 'string' } })
  serverTools?: Record<string, string>;
}

export class PricesQuery {
  /** As the price names it. */
  @MayBeAbsent()
  @Matches(MODEL_NAME, { message: MODEL_NAME_PROBLEM })
  @ApiPropertyOptional({ type: String })
  model?: string;

  /** Prices for this kind of account, without those for every kind. */
  @MayBeAbsent()
  @Matches(KIND, { message: KIND_PROBLEM })
  @ApiPropertyOptional({ type: String })
  kind?: string;

  /** Items on a page. */
  @MayBeAbsent()
  @Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? Number(value) : value))
  @IsInt()
  @Min(1)
  @Max(200)
  @ApiPropertyOptional({ type: 'integer', default: 50, minimum: 1, maximum: 200 })
  limit: number = 50;

  /** `nextCursor` of the page before; absent = the first page. */
  @MayBeAbsent()
  @IsString()
  @MaxLength(512)
  @ApiPropertyOptional({ type: String })
  cursor?: string;
}

export class PricePageDto {
  /** Last written first. */
  @ApiProperty({ type: () => [PriceDto] })
  items!: PriceDto[];

  /** Give it as `cursor` for the next page; null: there is none. */
  @ApiProperty({ type: String, nullable: true })
  nextCursor!: string | null;
}

export class RepriceDto {
  /** A day or a time with its zone; in the range. Default: 30 days before `to`. */
  @MayBeAbsent()
  @Matches(ISO_TIME, { message: ISO_TIME_PROBLEM })
  @ApiPropertyOptional({ type: String, example: '2026-01-01' })
  from?: string;

  /** A day or a time with its zone; not in the range. Default: now. */
  @MayBeAbsent()
  @Matches(ISO_TIME, { message: ISO_TIME_PROBLEM })
  @ApiPropertyOptional({ type: String, example: '2026-02-01T00:00:00Z' })
  to?: string;
}

export class RepricedDto {
  @ApiProperty({ type: String, format: 'date-time' })
  from!: string;

  @ApiProperty({ type: String, format: 'date-time' })
  to!: string;

  /** Attempts that have a cost now and had none. */
  @ApiProperty({ type: 'integer' })
  repriced!: number;

  /** Attempts of the range that still have no price. */
  @ApiProperty({ type: 'integer' })
  unpriced!: number;
}
