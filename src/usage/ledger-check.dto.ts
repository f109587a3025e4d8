import { ApiProperty } from '@nestjs/swagger';

export class CounterDifferenceDto {
  @ApiProperty({ enum: ['key places', 'key counting', 'account places'] })
  counter!: string;

  /** Of the key or the account. */
  @ApiProperty({ type: String, format: 'uuid' })
  id!: string;

  @ApiProperty({ type: 'integer' })
  counted!: number;

  /** What the open calls come to. */
  @ApiProperty({ type: 'integer' })
  proven!: number;
}

export class LedgerCheckDto {
  /** Every counter says what the open calls come to. */
  @ApiProperty({ type: Boolean })
  proven!: boolean;

  /** How many were compared. */
  @ApiProperty({ type: 'integer' })
  counters!: number;

  @ApiProperty({ type: 'integer' })
  openCalls!: number;

  /** The first thousand. Each replica repairs what differs once a minute, and counts it. */
  @ApiProperty({ type: () => [CounterDifferenceDto] })
  differences!: CounterDifferenceDto[];
}
