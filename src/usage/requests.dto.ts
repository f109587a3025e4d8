import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsIn, IsInt, IsString, IsUUID, Matches, Max, MaxLength, Min } from 'class-validator';
import { MayBeAbsent } from '../admin/optional-field.ts';
import { MODEL_NAME, MODEL_NAME_PROBLEM } from './model-names.ts';
import { NamedDto } from './named.dto.ts';
import { ISO_TIME, ISO_TIME_PROBLEM } from './time-range.ts';

/** How an attempt ended; `open`: it has not. */
export const OUTCOMES = [
  'open',
  'completed',
  'refused',
  'failed',
  'partial',
  'client-left',
  'unknown',
  'orphaned',
] as const;

export class RequestsQuery {
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

  /** Id of the key that called. */
  @MayBeAbsent()
  @IsUUID('all')
  @ApiPropertyOptional({ type: String, format: 'uuid' })
  key?: string;

  /** Id of an account that was tried. */
  @MayBeAbsent()
  @IsUUID('all')
  @ApiPropertyOptional({ type: String, format: 'uuid' })
  account?: string;

  /** As the client named it. */
  @MayBeAbsent()
  @Matches(MODEL_NAME, { message: MODEL_NAME_PROBLEM })
  @ApiPropertyOptional({ type: String })
  model?: string;

  /** Of one of the call's attempts. */
  @MayBeAbsent()
  @IsIn(OUTCOMES)
  @ApiPropertyOptional({ enum: OUTCOMES })
  outcome?: (typeof OUTCOMES)[number];

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

/** One try on one account: a row of the ledger, or an open row that is none yet. */
export class AttemptDto {
  /** From 1. */
  @ApiProperty({ type: 'integer' })
  attempt!: number;

  @ApiProperty({ type: () => NamedDto })
  account!: NamedDto;

  @ApiProperty({ type: String })
  kind!: string;

  /** The upstream's name of the model. Null while open. */
  @ApiProperty({ type: String, nullable: true })
  upstreamModel!: string | null;

  @ApiProperty({ enum: OUTCOMES })
  outcome!: string;

  /** Upstream's HTTP status; null when no answer came. */
  @ApiProperty({ type: 'integer', nullable: true })
  status!: number | null;

  /** A short word; null when it ended well. */
  @ApiProperty({ type: String, nullable: true })
  reason!: string | null;

  @ApiProperty({ type: String, format: 'date-time' })
  admittedAt!: string;

  /** Null while open. */
  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  settledAt!: string | null;

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

  @ApiProperty({ type: 'integer' })
  reasoningTokens!: number;

  /** Units of server tools, by the vendor's name. */
  @ApiProperty({ type: 'object', additionalProperties: { type: 'integer' } })
  serverTools!: Record<string, number>;

  /** The usage is our estimate, in part or whole. */
  @ApiProperty({ type: Boolean })
  estimated!: boolean;

  /** The upstream reported a number that cannot be one. */
  @ApiProperty({ type: Boolean })
  suspicious!: boolean;

  /** Decimal USD; null while open, and when unpriced. */
  @ApiProperty({ type: String, nullable: true, example: '0.0123' })
  costUsd!: string | null;

  /**
   * Decimal USD that its key and teams were charged: the cost, and while that is not known the most that it may be, or
   * what the call held. Null while open.
   */
  @ApiProperty({ type: String, nullable: true, example: '0.0123' })
  chargedUsd!: string | null;

  /** The price it was counted with. */
  @ApiProperty({ type: String, nullable: true })
  priceId!: string | null;

  /** From the client's request to the first byte of the upstream's answer. */
  @ApiProperty({ type: 'integer', nullable: true })
  firstByteMs!: number | null;

  @ApiProperty({ type: 'integer', nullable: true })
  durationMs!: number | null;

  @ApiProperty({ type: String, nullable: true })
  upstreamRequestId!: string | null;

  /** How often it was corrected: its replica had died, and better figures came later. */
  @ApiProperty({ type: 'integer' })
  revision!: number;
}

/** One call of a client, with every attempt. */
export class RequestDto {
  /** `x-relay-request-id` of the answer. */
  @ApiProperty({ type: String, format: 'uuid' })
  id!: string;

  @ApiProperty({ type: String, nullable: true })
  clientRequestId!: string | null;

  @ApiProperty({ type: () => NamedDto })
  key!: NamedDto;

  @ApiProperty({ type: String })
  door!: string;

  @ApiProperty({ enum: ['generate', 'count'] })
  lane!: string;

  /** As the client named it. */
  @ApiProperty({ type: String })
  model!: string;

  /** Null while open. */
  @ApiProperty({ type: Boolean, nullable: true })
  stream!: boolean | null;

  /** Of the first attempt. */
  @ApiProperty({ type: String, format: 'date-time' })
  admittedAt!: string;

  /** Of the last attempt. */
  @ApiProperty({ enum: OUTCOMES })
  outcome!: string;

  /** Decimal USD of the attempts that have a price. */
  @ApiProperty({ type: String, example: '0.0123' })
  costUsd!: string;

  /** A settled attempt has no price; its cost is not in the sum. */
  @ApiProperty({ type: Boolean })
  unpriced!: boolean;

  @ApiProperty({ type: () => [AttemptDto] })
  attempts!: AttemptDto[];
}

export class RequestPageDto {
  /** Newest first. */
  @ApiProperty({ type: () => [RequestDto] })
  items!: RequestDto[];

  /** Give it as `cursor` for the next page; null: there is none. */
  @ApiProperty({ type: String, nullable: true })
  nextCursor!: string | null;
}
