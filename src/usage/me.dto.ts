import { ApiProperty } from '@nestjs/swagger';

export class ConcurrencyDto {
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

export class MyLimitsDto {
  @ApiProperty({ type: () => ConcurrencyDto })
  concurrency!: ConcurrencyDto;
}

export class MeDto {
  @ApiProperty({ type: String, format: 'uuid' })
  id!: string;

  @ApiProperty({ type: String })
  name!: string;

  /** The beginning of the key in use. */
  @ApiProperty({ type: String, example: 'rk_3fQ9' })
  prefix!: string;

  /** Doors it may use. */
  @ApiProperty({ type: [String] })
  scopes!: readonly string[];

  /** Patterns of the models it may call. */
  @ApiProperty({ type: [String] })
  models!: readonly string[];

  @ApiProperty({ type: () => MyLimitsDto })
  limits!: MyLimitsDto;

  /** Null: it does not expire. */
  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  expiresAt!: string | null;
}
