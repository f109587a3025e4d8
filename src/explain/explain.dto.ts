import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsString, IsUUID, Matches } from 'class-validator';
import { MayBeAbsent } from '../admin/optional-field.ts';
import { NamedDto } from '../usage/named.dto.ts';
import type { AffinityResult } from '../scheduler/decision.ts';
import { MODEL_NAME, MODEL_NAME_PROBLEM } from '../usage/model-names.ts';

export const DOORS = ['claude', 'gemini', 'openai', 'bedrock'] as const;
export type DoorName = (typeof DOORS)[number];

/** By the settings: {@link Unfit} of the relay. By the state: the others. */
export const REASONS = [
  'key-models',
  'disabled',
  'kind',
  'model',
  'dialect',
  'binding',
  'cooling',
  'parked',
  'unpriced',
  'full',
  'probing',
] as const;
export type Reason = (typeof REASONS)[number];

/** What the call would be refused with; the last two before admission is asked. */
export const REFUSALS = [
  'key-unusable',
  'key-full',
  'team-full',
  'requests-rate',
  'tokens-rate',
  'budget-spent',
  'budget-held',
  'unpriced',
  'accounts-full',
  'accounts-cooling',
  'accounts-parked',
  'no-account',
  'stale',
  'door-closed',
  'model-unknown',
] as const;

/** A call that generates, of which nothing is known but this. */
export class ExplainDto {
  @IsUUID('all')
  @ApiProperty({ type: String, format: 'uuid' })
  keyId!: string;

  @IsIn(DOORS)
  @ApiProperty({ enum: DOORS })
  door!: DoorName;

  /** As a client names it. */
  @Matches(MODEL_NAME, { message: MODEL_NAME_PROBLEM })
  @ApiProperty({ type: String, example: 'claude-sonnet-4-5' })
  model!: string;

  /** The call's session as a client names it in `x-relay-session-id`; at most 512 bytes. */
  @MayBeAbsent()
  @IsString()
  @ApiPropertyOptional({ type: String, minLength: 1, maxLength: 512 })
  sessionId?: string;
}

export class ExplainedAffinityDto {
  /**
   * `none`: no session was named. `new`: it is bound to no account. `hit`: the bound one is chosen. `spill`: another one
   * is, for this call only. `rebound`: another one is, and would have the session from then on. Null: none is chosen.
   */
  @ApiProperty({ enum: ['none', 'new', 'hit', 'spill', 'rebound'], nullable: true })
  result!: AffinityResult | null;

  /** The account that the session is bound to; it goes before all others while it is able and has room. */
  @ApiProperty({ type: () => NamedDto, nullable: true })
  account!: NamedDto | null;
}

export class ExhaustedDto {
  /** `key`, or the name of a team above it. */
  @ApiProperty({ type: String, example: 'key' })
  of!: string;

  @ApiProperty({
    enum: ['requestsPerMinute', 'tokensPerMinute', 'concurrency', 'day', 'month', 'total'],
    description: 'The limit; of budgets, the period',
  })
  limit!: 'requestsPerMinute' | 'tokensPerMinute' | 'concurrency' | 'day' | 'month' | 'total';
}

export class ExplainedAccountDto {
  @ApiProperty({ type: () => NamedDto })
  account!: NamedDto;

  @ApiProperty({ type: String })
  kind!: string;

  @ApiProperty({ type: Boolean })
  eligible!: boolean;

  /** From 1 among those that are eligible, in the order in which they would be taken; null: not eligible. */
  @ApiProperty({ type: 'integer', nullable: true })
  position!: number | null;

  /**
   * Why not: the key may not call the model at all; the account is disabled; its kind is unknown to this build; its
   * policy does not have the model; its kind cannot be asked from this door; the key is bound to others; it is
   * cooling, or parked until a person acts; its price for the model is not known while there is a budget; it is full; its rest is over and a call
   * that runs is to prove it.
   * Null: eligible.
   */
  @ApiProperty({ enum: REASONS, nullable: true })
  reason!: Reason | null;

  /** What was seen that it rests for; null: it does not. */
  @ApiProperty({ type: String, nullable: true })
  evidence!: string | null;

  /** When its rest ends; null: it has none, or a person must act. */
  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  until!: string | null;

  /** Its own name for the model; null: it does not have it. */
  @ApiProperty({ type: String, nullable: true })
  upstreamModel!: string | null;

  /** Place in the key's chain of bindings, 0 first; null: not for this key. */
  @ApiProperty({ type: 'integer', nullable: true })
  tier!: number | null;

  /** Near a limit of its own: taken after those of its tier that are not. */
  @ApiProperty({ type: Boolean })
  lean!: boolean;

  @ApiProperty({ type: 'integer' })
  priority!: number;

  @ApiProperty({ type: 'integer' })
  weight!: number;

  /** Attempts that run there, over all replicas; null: not looked at, since the settings rule it out. */
  @ApiProperty({ type: 'integer', nullable: true })
  inUse!: number | null;

  /** 0 = unlimited. */
  @ApiProperty({ type: 'integer' })
  maxConcurrency!: number;
}

export class ExplanationDto {
  @ApiProperty({ type: () => NamedDto })
  key!: NamedDto;

  @ApiProperty({ enum: DOORS })
  door!: DoorName;

  @ApiProperty({ type: String })
  model!: string;

  /** The account that admission would give to a call of no size at this moment; null: it would be refused. */
  @ApiProperty({ type: () => NamedDto, nullable: true })
  chosen!: NamedDto | null;

  @ApiProperty({ type: () => ExplainedAffinityDto })
  affinity!: ExplainedAffinityDto;

  /** What it would be refused with, waiting in a queue aside; null: it would be admitted. */
  @ApiProperty({ enum: REFUSALS, nullable: true })
  refusal!: (typeof REFUSALS)[number] | null;

  /** To the soonest recovery; null: not known, or none. */
  @ApiProperty({ type: 'integer', nullable: true })
  retryAfterMs!: number | null;

  /** Limits of the key and of the teams above it that have nothing left. */
  @ApiProperty({ type: () => [ExhaustedDto] })
  exhausted!: ExhaustedDto[];

  /** The eligible in their order, then the others; at most 500. */
  @ApiProperty({ type: () => [ExplainedAccountDto] })
  accounts!: ExplainedAccountDto[];

  /** Accounts that are not listed. */
  @ApiProperty({ type: 'integer' })
  omitted!: number;
}
