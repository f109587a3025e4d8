import { ApiProperty } from '@nestjs/swagger';

const state = { type: 'object', additionalProperties: true, nullable: true } as const;

export class AuditEntryDto {
  @ApiProperty({ type: String, format: 'uuid' })
  id!: string;

  @ApiProperty({ type: String, format: 'date-time' })
  at!: string;

  /** The administrator's token by name and id, or `relay` for what the relay did by itself. */
  @ApiProperty({ type: String })
  actor!: string;

  @ApiProperty({ type: String, example: 'key.create' })
  action!: string;

  @ApiProperty({ type: String, example: 'key' })
  resource!: string;

  @ApiProperty({ type: String })
  resourceId!: string;

  /** Secrets are masked. Null: there was nothing before. */
  @ApiProperty(state)
  before!: Record<string, unknown> | null;

  /** Secrets are masked. Null: there is nothing afterwards. */
  @ApiProperty(state)
  after!: Record<string, unknown> | null;
}

export class AuditPageDto {
  /** Newest first. */
  @ApiProperty({ type: () => [AuditEntryDto] })
  items!: AuditEntryDto[];

  /** Give it as `cursor` for the next page; null: there is none. */
  @ApiProperty({ type: String, nullable: true })
  nextCursor!: string | null;
}
