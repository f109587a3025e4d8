import { ApiProperty } from '@nestjs/swagger';
import { PERIODS, type Period } from './limits.dto.ts';

export class RequestsStandingDto {
  @ApiProperty({ type: 'integer', nullable: true })
  limit!: number | null;

  /** That would be admitted at this moment; null: no limit. */
  @ApiProperty({ type: 'integer', nullable: true })
  left!: number | null;

  /** When all of it is there again, if nothing more comes; null: it is. */
  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  resetsAt!: string | null;
}

export class TokensStandingDto {
  @ApiProperty({ type: 'integer', nullable: true })
  limit!: number | null;

  /** Of the last minute, and not yet come back; null: no limit, not counted. */
  @ApiProperty({ type: 'integer', nullable: true })
  used!: number | null;

  /** What open calls may still use. */
  @ApiProperty({ type: 'integer' })
  held!: number;

  /** Null: no limit. */
  @ApiProperty({ type: 'integer', nullable: true })
  left!: number | null;

  /** When what was used has come back, if nothing more comes; null: it has. */
  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  resetsAt!: string | null;
}

export class ConcurrencyStandingDto {
  /** Calls at once; null: no limit. */
  @ApiProperty({ type: 'integer', nullable: true })
  limit!: number | null;

  /** Over all replicas. */
  @ApiProperty({ type: 'integer' })
  inUse!: number;

  /** Null: no limit. */
  @ApiProperty({ type: 'integer', nullable: true })
  left!: number | null;
}

/** Decimal USD. */
export class BudgetStandingDto {
  @ApiProperty({ enum: PERIODS })
  period!: Period;

  @ApiProperty({ type: String, example: '25.00' })
  limit!: string;

  /** Settled, of the calls that were admitted in this period. */
  @ApiProperty({ type: String, example: '3.20' })
  used!: string;

  /** What open calls may come to. */
  @ApiProperty({ type: String, example: '0.15' })
  held!: string;

  /** Never below nothing, although a call may have cost more than it held. */
  @ApiProperty({ type: String, example: '21.65' })
  left!: string;

  /** When the next period begins; null: never. */
  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  resetsAt!: string | null;
}

/** What is used of each limit, and what is left, at this moment and over all replicas. */
export class StandingDto {
  @ApiProperty({ type: () => RequestsStandingDto })
  requestsPerMinute!: RequestsStandingDto;

  @ApiProperty({ type: () => TokensStandingDto })
  tokensPerMinute!: TokensStandingDto;

  @ApiProperty({ type: () => ConcurrencyStandingDto })
  concurrency!: ConcurrencyStandingDto;

  /** Those that there are, by day, month, total. */
  @ApiProperty({ type: () => [BudgetStandingDto] })
  budgets!: BudgetStandingDto[];
}
