import { ApiProperty } from '@nestjs/swagger';

/** A key or an account, by the name it has or had: deleted ones keep theirs. */
export class NamedDto {
  @ApiProperty({ type: String, format: 'uuid' })
  id!: string;

  /** Null: nothing is known under this id any more. */
  @ApiProperty({ type: String, nullable: true })
  name!: string | null;
}
