import { applyDecorators } from '@nestjs/common';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayMinSize, ArrayUnique, IsArray, IsIn, IsUUID, Matches } from 'class-validator';
import { MayBeAbsent, MayBeNull } from '../admin/optional-field.ts';

/** Doors that this build serves and a key may be given. */
const DOORS = ['claude', 'gemini', 'openai', 'bedrock'];
const MOST_IDS = 200;
const MOST_PATTERNS = 200;
const MOST_TAGS = 50;

export const Scopes = (): PropertyDecorator =>
  applyDecorators(
    MayBeAbsent(),
    IsArray(),
    ArrayUnique(),
    IsIn(DOORS, {
      each: true,
      message: `must each be one of ${DOORS.join(', ')}; this build does not offer other doors`,
    }),
    ApiPropertyOptional({ type: 'array', items: { type: 'string', enum: DOORS }, uniqueItems: true }),
  );

/** Ids that are there, at least one: an empty list could be read as none or as all. */
export const BoundIds = (): PropertyDecorator =>
  applyDecorators(
    MayBeNull(),
    IsArray(),
    ArrayMinSize(1, { message: 'must hold at least one id; null or absent means the shared pool' }),
    ArrayMaxSize(MOST_IDS),
    ArrayUnique(),
    IsUUID(undefined, { each: true }),
    ApiPropertyOptional({
      type: 'array',
      items: { type: 'string', format: 'uuid' },
      nullable: true,
      minItems: 1,
      maxItems: MOST_IDS,
    }),
  );

/** An id, or null to take it back. */
export const OwnTeam = (): PropertyDecorator =>
  applyDecorators(
    MayBeNull(),
    IsUUID(),
    ApiPropertyOptional({ type: String, format: 'uuid', nullable: true }),
  );

/** Names of models with `*` in any place. */
export const ModelPatterns = (): PropertyDecorator =>
  applyDecorators(
    MayBeAbsent(),
    IsArray(),
    ArrayMaxSize(MOST_PATTERNS),
    ArrayUnique(),
    Matches(/^[A-Za-z0-9._:@,/*-]{1,256}$/, {
      each: true,
      message:
        'must each be a model name of 1 to 256 characters, in which * stands for any run of characters',
    }),
    ApiPropertyOptional({
      type: 'array',
      items: { type: 'string', minLength: 1, maxLength: 256 },
      maxItems: MOST_PATTERNS,
      example: ['claude-*'],
    }),
  );

export const Tags = (): PropertyDecorator =>
  applyDecorators(
    MayBeAbsent(),
    IsArray(),
    ArrayMaxSize(MOST_TAGS),
    ArrayUnique(),
    Matches(/^(?! )[\p{L}\p{M}\p{N}\p{P}\p{S} ]{1,100}(?<! )$/u, {
      each: true,
      message: 'must each be 1 to 100 printable characters, without a space at either end',
    }),
    ApiPropertyOptional({
      type: 'array',
      items: { type: 'string', minLength: 1, maxLength: 100 },
      maxItems: MOST_TAGS,
    }),
  );
