import { ApiProperty } from '@nestjs/swagger';
import { NamedDto } from './named.dto.ts';
import { AttemptDto, RequestDto } from './requests.dto.ts';
import { SupersededDto } from './superseded.dto.ts';

/** By the settings, as `explain` tells them, and by what happened. */
export const NOT_TAKEN = [
  'disabled',
  'kind',
  'model',
  'dialect',
  'binding',
  'unsaid',
  'tried',
  'same-origin',
  'parked',
  'unavailable',
] as const;
export type NotTaken = (typeof NOT_TAKEN)[number];

export class ConsideredAccountDto {
  @ApiProperty({ type: () => NamedDto })
  account!: NamedDto;

  /** Place in the key's chain of bindings, 0 first; null: not for this key. */
  @ApiProperty({ type: 'integer', nullable: true })
  tier!: number | null;

  /** The attempt ran there. */
  @ApiProperty({ type: Boolean })
  taken!: boolean;

  /**
   * Why it was not taken: it was disabled; its kind is unknown to this build; its policy does not have the model; its
   * kind cannot be asked from this door; the key is bound to others; it cannot be asked this very call; it was tried
   * before; it is behind the origin that was overloaded; it waits for a person; or, where it goes before the one that
   * was taken: it was full, at rest, near a limit or without a price.
   * Null: it was taken, or comes after the one that was.
   */
  @ApiProperty({ enum: NOT_TAKEN, nullable: true })
  reason!: NotTaken | null;
}

export class AffinityDto {
  /** Where the call's session was told. */
  @ApiProperty({ enum: ['header', 'claude-code', 'metadata', 'cache-key', 'prefix', 'none'] })
  source!: string;

  /**
   * `none`: of no session. `new`: it was bound to no account. `hit`: the bound one was taken. `spill`: another one was,
   * for this call only. `rebound`: another one was, and has the session from now on.
   */
  @ApiProperty({ enum: ['none', 'new', 'hit', 'spill', 'rebound'] })
  result!: string;

  /** The account that it was bound to; null: to none, or not known. */
  @ApiProperty({ type: () => NamedDto, nullable: true })
  account!: NamedDto | null;
}

export class AttemptDecisionDto {
  @ApiProperty({ type: () => AffinityDto })
  affinity!: AffinityDto;

  /** How long the call stood in line for this attempt; null: not known. */
  @ApiProperty({ type: 'integer', nullable: true })
  waitedMs!: number | null;

  /** What it waited for, as the refusal that it would have been; null: it did not wait. */
  @ApiProperty({ type: String, nullable: true, example: 'accounts-full' })
  waitedFor!: string | null;

  /** Candidates by their tiers, then the others; at most 16. Null: not known. */
  @ApiProperty({ type: () => [ConsideredAccountDto], nullable: true })
  accounts!: ConsideredAccountDto[] | null;

  /** Accounts that were considered and are not listed. */
  @ApiProperty({ type: 'integer' })
  omitted!: number;
}

export class DecidedAttemptDto extends AttemptDto {
  /** How its account was chosen. Null while open, and when its replica died. */
  @ApiProperty({ type: () => AttemptDecisionDto, nullable: true })
  decision!: AttemptDecisionDto | null;

  /** What it was booked with before it was corrected, oldest first. */
  @ApiProperty({ type: () => [SupersededDto] })
  superseded!: SupersededDto[];
}

/** One call of a client, with every attempt, how its account was chosen, and what was booked of it before. */
export class DecidedRequestDto extends RequestDto {
  @ApiProperty({ type: () => [DecidedAttemptDto] })
  declare attempts: DecidedAttemptDto[];
}
