import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayUnique,
  IsArray,
  IsIn,
  IsInt,
  Matches,
  Max,
  Min,
  ValidateNested,
} from 'class-validator';
import { MayBeNull } from '../admin/optional-field.ts';

/** UTC: a day from midnight, a month from its first; `total`: for good. */
export const PERIODS = ['day', 'month', 'total'] as const;
export type Period = (typeof PERIODS)[number];

/** The bucket of requests counts whole microseconds: more would not be exact. */
const MOST_REQUESTS = 1_000_000;
const MOST_TOKENS = 1_000_000_000;
const MOST_PLACES = 100_000;
/** Up to 999,999,999.999999999. */
const USD = /^\d{1,9}(?:\.\d{1,9})?$/;
const EACH_PERIOD_ONCE = 'must hold at most one budget for each period';

export class BudgetDto {
  /** UTC: a day from midnight, a month from its first; `total`: for good. */
  @IsIn(PERIODS)
  @ApiProperty({ enum: PERIODS })
  period!: Period;

  /** Decimal USD; `0` lets nothing through. */
  @Matches(USD, { message: 'must be decimal USD as a string, such as "25.00", with at most nine decimals' })
  @ApiProperty({ type: String, pattern: USD.source, example: '25.00' })
  usd!: string;
}

/** All over all replicas. Null or absent: no limit of its own; in a change, what is absent stays. */
export class LimitsDto {
  /** A full minute's worth may come at once; it comes back evenly. */
  @MayBeNull()
  @IsInt()
  @Min(1)
  @Max(MOST_REQUESTS)
  @ApiPropertyOptional({ type: 'integer', nullable: true, minimum: 1, maximum: MOST_REQUESTS })
  requestsPerMinute?: number | null;

  /** Input and output, cached input as well. Open calls hold what they are expected to use. */
  @MayBeNull()
  @IsInt()
  @Min(1)
  @Max(MOST_TOKENS)
  @ApiPropertyOptional({ type: 'integer', nullable: true, minimum: 1, maximum: MOST_TOKENS })
  tokensPerMinute?: number | null;

  /** Calls at once. */
  @MayBeNull()
  @IsInt()
  @Min(1)
  @Max(MOST_PLACES)
  @ApiPropertyOptional({ type: 'integer', nullable: true, minimum: 1, maximum: MOST_PLACES })
  concurrency?: number | null;

  /** At most one for each period. The list takes the place of the one before; null or empty: none. */
  @MayBeNull()
  @IsArray()
  @ArrayMaxSize(PERIODS.length, { message: EACH_PERIOD_ONCE })
  @ArrayUnique((budget: { period?: unknown } | null) => budget?.period, { message: EACH_PERIOD_ONCE })
  @ValidateNested({ each: true })
  @Type(() => BudgetDto)
  @ApiPropertyOptional({ type: () => [BudgetDto], nullable: true, maxItems: PERIODS.length })
  budgets?: BudgetDto[] | null;
}

export class ShownBudgetDto {
  @ApiProperty({ enum: PERIODS })
  period!: Period;

  @ApiProperty({ type: String, example: '25.00' })
  usd!: string;
}

/** Null: no limit of its own. */
export class ShownLimitsDto {
  @ApiProperty({ type: 'integer', nullable: true })
  requestsPerMinute!: number | null;

  @ApiProperty({ type: 'integer', nullable: true })
  tokensPerMinute!: number | null;

  @ApiProperty({ type: 'integer', nullable: true })
  concurrency!: number | null;

  /** By day, month, total. */
  @ApiProperty({ type: () => [ShownBudgetDto] })
  budgets!: ShownBudgetDto[];
}
