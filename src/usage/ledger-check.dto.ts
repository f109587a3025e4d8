import { ApiProperty } from '@nestjs/swagger';
import { COUNTERS } from '../scheduler/sql/counters.ts';

export class CounterDifferenceDto {
  /** Places and counting calls; what open calls hold; what was used of this day, this month (UTC) and in total. */
  @ApiProperty({ enum: COUNTERS })
  counter!: string;

  /** Of the key, the team or the account. */
  @ApiProperty({ type: String, format: 'uuid' })
  id!: string;

  /** Calls, tokens or nano-dollars. */
  @ApiProperty({ type: 'integer' })
  counted!: number;

  /** What the open calls, or the ledger, come to. */
  @ApiProperty({ type: 'integer' })
  proven!: number;
}

export class LedgerCheckDto {
  /** Every counter says what the open calls and the ledger come to. */
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
