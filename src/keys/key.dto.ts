import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  IsBoolean,
  IsIn,
  IsInt,
  IsObject,
  IsString,
  Matches,
  Max,
  Min,
  ValidateNested,
} from 'class-validator';
import { MayBeAbsent, MayBeNull, PRINTABLE_NAME, PRINTABLE_NAME_PROBLEM } from '../admin/optional-field.ts';
import { IsDateTime } from './date-time.ts';
import { BoundIds, ModelPatterns, OwnTeam, Scopes, Tags } from './key-fields.ts';
import { LimitsDto, ShownLimitsDto } from './limits.dto.ts';
import { StandingDto } from './standing.dto.ts';

const MOST_OVERLAP_SECONDS = 30 * 24 * 3600;

export class CreateKeyDto {
  /** For people; need not be unique. */
  @IsString()
  @Matches(PRINTABLE_NAME, { message: PRINTABLE_NAME_PROBLEM })
  @ApiProperty({ maxLength: 200, example: 'team search' })
  name!: string;

  /** Doors that the key may use; empty or absent: none. */
  @Scopes()
  scopes?: string[];

  /** Patterns of the models it may call, `*` for any run of characters; empty or absent: none, `["*"]`: all. */
  @ModelPatterns()
  models?: string[];

  /** Ids of the accounts it is bound to; null or absent: not bound to accounts. */
  @BoundIds()
  accounts?: string[] | null;

  /** Ids of the account groups it is bound to, the first choice first; null or absent: not bound to groups. */
  @BoundIds()
  groups?: string[] | null;

  /** When its accounts and groups cannot serve: `strict` refuses, `fallback` goes to the shared pool. */
  @MayBeAbsent()
  @IsIn(['strict', 'fallback'])
  @ApiPropertyOptional({ enum: ['strict', 'fallback'], default: 'strict' })
  bindingPolicy?: 'strict' | 'fallback';

  /** Null or absent: no limits. */
  @MayBeNull()
  @IsObject()
  @ValidateNested()
  @Type(() => LimitsDto)
  @ApiPropertyOptional({ type: () => LimitsDto, nullable: true })
  limits?: LimitsDto | null;

  /** Id of the team that its calls count on, with all teams above it; null or absent: none. */
  @OwnTeam()
  team?: string | null;

  /** From then on the key opens nothing, by the clock of the database; null or absent: never. */
  @MayBeNull()
  @IsDateTime()
  @ApiPropertyOptional({ type: String, format: 'date-time', nullable: true })
  expiresAt?: string | null;

  /** Free words for reports. */
  @Tags()
  tags?: string[];

  /** A disabled key opens nothing until it is enabled again. */
  @MayBeAbsent()
  @IsBoolean()
  @ApiPropertyOptional({ type: Boolean, default: true })
  enabled?: boolean;
}

/** The fields to change; those left out stay as they are, null takes a setting back. Lists are replaced whole. */
export class UpdateKeyDto {
  /** For people; need not be unique. */
  @MayBeAbsent()
  @IsString()
  @Matches(PRINTABLE_NAME, { message: PRINTABLE_NAME_PROBLEM })
  @ApiPropertyOptional({ maxLength: 200 })
  name?: string;

  /** Doors that the key may use; empty: none. */
  @Scopes()
  scopes?: string[];

  /** Patterns of the models it may call; empty: none, `["*"]`: all. */
  @ModelPatterns()
  models?: string[];

  /** Ids of the accounts it is bound to; null: not bound to accounts any more. */
  @BoundIds()
  accounts?: string[] | null;

  /** Ids of the account groups it is bound to, the first choice first; null: not bound to groups any more. */
  @BoundIds()
  groups?: string[] | null;

  @MayBeAbsent()
  @IsIn(['strict', 'fallback'])
  @ApiPropertyOptional({ enum: ['strict', 'fallback'] })
  bindingPolicy?: 'strict' | 'fallback';

  /** The limits to change; null: no limits any more. */
  @MayBeNull()
  @IsObject()
  @ValidateNested()
  @Type(() => LimitsDto)
  @ApiPropertyOptional({ type: () => LimitsDto, nullable: true })
  limits?: LimitsDto | null;

  /** Id of the team that its calls count on from now on; null: none. Open calls and the past stay where they are. */
  @OwnTeam()
  team?: string | null;

  /** Null: the key does not expire any more. */
  @MayBeNull()
  @IsDateTime()
  @ApiPropertyOptional({ type: String, format: 'date-time', nullable: true })
  expiresAt?: string | null;

  @Tags()
  tags?: string[];

  @MayBeAbsent()
  @IsBoolean()
  @ApiPropertyOptional({ type: Boolean })
  enabled?: boolean;
}

export class RotateKeyDto {
  /** How long the secrets up to now go on working beside the new one; 0: they end at once. */
  @MayBeAbsent()
  @IsInt()
  @Min(0)
  @Max(MOST_OVERLAP_SECONDS)
  @ApiPropertyOptional({ type: 'integer', minimum: 0, maximum: MOST_OVERLAP_SECONDS, default: 0 })
  overlapSeconds?: number;
}

export class KeyDto {
  @ApiProperty({ type: String, format: 'uuid' })
  id!: string;

  @ApiProperty({ type: String })
  name!: string;

  /** The beginning of the newest secret. */
  @ApiProperty({ type: String, example: 'rk_3fQ9aZ' })
  prefix!: string;

  /** The secret itself: only in the answers of creation and rotation, and never again. */
  @ApiPropertyOptional({ type: String, example: 'rk_…' })
  key?: string;

  @ApiProperty({ type: [String] })
  scopes!: string[];

  @ApiProperty({ type: [String] })
  models!: string[];

  @ApiProperty({ type: [String], format: 'uuid', nullable: true })
  accounts!: string[] | null;

  @ApiProperty({ type: [String], format: 'uuid', nullable: true })
  groups!: string[] | null;

  @ApiProperty({ enum: ['strict', 'fallback'] })
  bindingPolicy!: 'strict' | 'fallback';

  @ApiProperty({ type: () => ShownLimitsDto })
  limits!: ShownLimitsDto;

  /** What is used of its own limits and what is left: only in the answer of `GET /keys/{id}`. */
  @ApiPropertyOptional({ type: () => StandingDto })
  standing?: StandingDto;

  @ApiProperty({ type: String, format: 'uuid', nullable: true })
  team!: string | null;

  @ApiProperty({ type: [String] })
  tags!: string[];

  @ApiProperty({ type: Boolean })
  enabled!: boolean;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  expiresAt!: string | null;

  /** A revoked key opens nothing, for good. */
  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  revokedAt!: string | null;

  @ApiProperty({ type: String, format: 'date-time' })
  createdAt!: string;

  @ApiProperty({ type: String, format: 'date-time' })
  updatedAt!: string;
}

export class KeyPageDto {
  /** Newest first. */
  @ApiProperty({ type: () => [KeyDto] })
  items!: KeyDto[];

  /** Give it as `cursor` for the next page; null: there is none. */
  @ApiProperty({ type: String, nullable: true })
  nextCursor!: string | null;
}
