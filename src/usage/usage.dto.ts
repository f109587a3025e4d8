import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { ArrayUnique, IsArray, IsIn, IsString, Matches } from 'class-validator';
import { MayBeAbsent } from '../admin/optional-field.ts';
import { type Dimension, DIMENSIONS } from './ledger-row.ts';
import { NamedDto } from './named.dto.ts';
import { ISO_TIME, ISO_TIME_PROBLEM } from './time-range.ts';

/** Dimensions in the address: `key,model`, or the parameter repeated. */
export const commaList = ({ value }: { value: unknown }): unknown => {
  const parts: readonly unknown[] = Array.isArray(value) ? value : [value];
  return parts.every((part) => typeof part === 'string')
    ? parts.flatMap((part) => part.split(',')).filter((part) => part !== '')
    : value;
};

const OWN_DIMENSIONS = DIMENSIONS.filter((name) => name !== 'key' && name !== 'account');

export class UsageQuery {
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

  /** What makes a row, by commas or repeated; none = one row of sums. Days and hours are UTC. */
  @Transform(commaList)
  @IsArray()
  @ArrayUnique()
  @IsIn(DIMENSIONS, { each: true, message: `must be a list of ${DIMENSIONS.join(', ')}` })
  @ApiPropertyOptional({ enum: DIMENSIONS, isArray: true, default: [] })
  groupBy: Dimension[] = [];
}

export class OwnUsageQuery {
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

  /** What makes a row, by commas or repeated; none = one row of sums. Days and hours are UTC. */
  @Transform(commaList)
  @IsArray()
  @ArrayUnique()
  @IsIn(OWN_DIMENSIONS, { each: true, message: `must be a list of ${OWN_DIMENSIONS.join(', ')}` })
  @ApiPropertyOptional({ enum: OWN_DIMENSIONS, isArray: true, default: [] })
  groupBy: Dimension[] = [];

  /** The API key may travel here, as on every route that takes one; the guard reads it. */
  @MayBeAbsent()
  @IsString()
  @ApiPropertyOptional({ type: String })
  key?: string;
}

export class UsageItemDto {
  /** Only where the report is grouped by it, as the six after it. */
  @ApiPropertyOptional({ type: () => NamedDto })
  key?: NamedDto;

  @ApiPropertyOptional({ type: () => NamedDto })
  account?: NamedDto;

  /** As the client named it. */
  @ApiPropertyOptional({ type: String })
  model?: string;

  @ApiPropertyOptional({ type: String })
  kind?: string;

  /** UTC. */
  @ApiPropertyOptional({ type: String, format: 'date' })
  day?: string;

  /** Its beginning, UTC. */
  @ApiPropertyOptional({ type: String, format: 'date-time' })
  hour?: string;

  /** How the attempts ended. */
  @ApiPropertyOptional({ type: String })
  outcome?: string;

  /** Calls that have an attempt here. One with attempts in two groups counts in both. */
  @ApiProperty({ type: 'integer' })
  requests!: number;

  /** Tries on accounts, each metered and priced for itself. */
  @ApiProperty({ type: 'integer' })
  attempts!: number;

  /** Uncached input. The first five classes are disjoint. */
  @ApiProperty({ type: 'integer' })
  inputTokens!: number;

  @ApiProperty({ type: 'integer' })
  cacheReadTokens!: number;

  @ApiProperty({ type: 'integer' })
  cacheWrite5mTokens!: number;

  @ApiProperty({ type: 'integer' })
  cacheWrite1hTokens!: number;

  @ApiProperty({ type: 'integer' })
  outputTokens!: number;

  /** A part of the output. */
  @ApiProperty({ type: 'integer' })
  reasoningTokens!: number;

  /** Decimal USD of the attempts that have a price. */
  @ApiProperty({ type: String, example: '12.345678901' })
  costUsd!: string;

  /** Attempts without a known price; their cost is not in the sum. */
  @ApiProperty({ type: 'integer' })
  unpriced!: number;

  /** Attempts whose usage is our estimate, in part or whole. */
  @ApiProperty({ type: 'integer' })
  estimated!: number;

  /** Share of all input tokens that the vendor read from its cache, 0 to 1; null without input. */
  @ApiProperty({ type: Number, nullable: true, example: 0.9321 })
  cacheHitRate!: number | null;

  /**
   * Attempts on another account than the one that holds their session's cache, which was full, resting, near a limit or
   * failing.
   */
  @ApiProperty({ type: 'integer' })
  spilled!: number;

  /**
   * Decimal USD of these attempts, where they have a price: their whole cost, not what a warm cache would have saved; a
   * part of `costUsd`.
   */
  @ApiProperty({ type: String, example: '0.0123' })
  spillCostUsd!: string;
}

export class UsageReportDto {
  @ApiProperty({ type: String, format: 'date-time' })
  from!: string;

  @ApiProperty({ type: String, format: 'date-time' })
  to!: string;

  @ApiProperty({ enum: DIMENSIONS, isArray: true })
  groupBy!: readonly Dimension[];

  /** Ordered by the dimensions, in the order that was asked for. */
  @ApiProperty({ type: () => [UsageItemDto] })
  items!: UsageItemDto[];
}
