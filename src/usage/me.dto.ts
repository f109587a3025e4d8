import { ApiProperty } from '@nestjs/swagger';
import { StandingDto } from '../keys/standing.dto.ts';

export class MyTeamDto {
  @ApiProperty({ type: String })
  name!: string;

  /** What all keys below it use together, and what is left. */
  @ApiProperty({ type: () => StandingDto })
  limits!: StandingDto;
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

  /** The key's own. */
  @ApiProperty({ type: () => StandingDto })
  limits!: StandingDto;

  /** The teams that the key's calls count on, the nearest first; a call needs room in each. */
  @ApiProperty({ type: () => [MyTeamDto] })
  teams!: readonly MyTeamDto[];

  /** Null: it does not expire. */
  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  expiresAt!: string | null;
}
