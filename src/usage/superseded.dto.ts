import { ApiProperty } from '@nestjs/swagger';
import { OUTCOMES } from './requests.dto.ts';

/** What was booked of an attempt before it was corrected. */
export class SupersededDto {
  /** 0: as it was booked first. */
  @ApiProperty({ type: 'integer' })
  revision!: number;

  @ApiProperty({ type: String, format: 'date-time' })
  settledAt!: string;

  /** When the next revision took its place. */
  @ApiProperty({ type: String, format: 'date-time' })
  supersededAt!: string;

  @ApiProperty({ enum: OUTCOMES })
  outcome!: string;

  /** A short word; null when there is none. */
  @ApiProperty({ type: String, nullable: true })
  reason!: string | null;

  @ApiProperty({ type: Boolean })
  estimated!: boolean;

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

  /** Decimal USD; null when unpriced. */
  @ApiProperty({ type: String, nullable: true, example: '0.0123' })
  costUsd!: string | null;

  /**
   * Decimal USD that its key and teams were charged; then they were charged the difference to what took its place. As of
   * an attempt: the cost, and while that was not known the most that it may have been, or what the call held.
   */
  @ApiProperty({ type: String, example: '0.0123' })
  chargedUsd!: string;
}
