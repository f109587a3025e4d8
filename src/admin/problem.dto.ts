import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';

export class ProblemFieldDto {
  /** Path from the body's root. */
  @ApiProperty({ type: String, example: 'limits.concurrency' })
  field!: string;

  @ApiProperty({ type: String, example: 'must be a whole number' })
  problem!: string;
}

/** RFC 9457 problem details. */
export class ProblemDto {
  @ApiProperty({ type: String, example: 'about:blank' })
  type!: string;

  @ApiProperty({ type: String, example: 'Bad Request' })
  title!: string;

  @ApiProperty({ type: 'integer', example: 400 })
  status!: number;

  /** What was wrong, in a sentence. */
  @ApiProperty({ type: String })
  detail!: string;

  /** Each wrong field; only where fields are at fault. */
  @ApiPropertyOptional({ type: () => [ProblemFieldDto] })
  errors?: ProblemFieldDto[];
}
