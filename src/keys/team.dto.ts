import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsObject, IsString, Matches, ValidateNested } from 'class-validator';
import { MayBeAbsent, MayBeNull, PRINTABLE_NAME, PRINTABLE_NAME_PROBLEM } from '../admin/optional-field.ts';
import { OwnTeam } from './key-fields.ts';
import { LimitsDto, ShownLimitsDto } from './limits.dto.ts';
import { StandingDto } from './standing.dto.ts';

export class CreateTeamDto {
  /** Unique among the teams that are not deleted. */
  @IsString()
  @Matches(PRINTABLE_NAME, { message: PRINTABLE_NAME_PROBLEM })
  @ApiProperty({ maxLength: 200, example: 'search' })
  name!: string;

  /** Id of the team above it, which all that it does counts on as well; null or absent: none. */
  @OwnTeam()
  parent?: string | null;

  /** For all keys of the team and of the teams below it together; null or absent: no limits. */
  @MayBeNull()
  @IsObject()
  @ValidateNested()
  @Type(() => LimitsDto)
  @ApiPropertyOptional({ type: () => LimitsDto, nullable: true })
  limits?: LimitsDto | null;
}

/** The fields to change; those left out stay as they are, null takes a setting back. */
export class UpdateTeamDto {
  /** Unique among the teams that are not deleted. */
  @MayBeAbsent()
  @IsString()
  @Matches(PRINTABLE_NAME, { message: PRINTABLE_NAME_PROBLEM })
  @ApiPropertyOptional({ maxLength: 200 })
  name?: string;

  /** The team above it from now on; null: none. Open calls and the past count where they were admitted. */
  @OwnTeam()
  parent?: string | null;

  /** The limits to change; null: no limits any more. */
  @MayBeNull()
  @IsObject()
  @ValidateNested()
  @Type(() => LimitsDto)
  @ApiPropertyOptional({ type: () => LimitsDto, nullable: true })
  limits?: LimitsDto | null;
}

export class TeamDto {
  @ApiProperty({ type: String, format: 'uuid' })
  id!: string;

  @ApiProperty({ type: String })
  name!: string;

  @ApiProperty({ type: String, format: 'uuid', nullable: true })
  parent!: string | null;

  @ApiProperty({ type: () => ShownLimitsDto })
  limits!: ShownLimitsDto;

  /** What is used of its limits and what is left: only in the answer of `GET /teams/{id}`. */
  @ApiPropertyOptional({ type: () => StandingDto })
  standing?: StandingDto;

  @ApiProperty({ type: String, format: 'date-time' })
  createdAt!: string;

  @ApiProperty({ type: String, format: 'date-time' })
  updatedAt!: string;
}

export class TeamPageDto {
  /** Newest first. */
  @ApiProperty({ type: () => [TeamDto] })
  items!: TeamDto[];

  /** Give it as `cursor` for the next page; null: there is none. */
  @ApiProperty({ type: String, nullable: true })
  nextCursor!: string | null;
}
