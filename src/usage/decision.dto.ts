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
  'cooling',
  'parked',
  'unpriced',
  'full',
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
   * Why it was not taken, by the first of these that holds. By the settings: it was `disabled`; its `kind` is unknown to
   * this build; its policy does not have the `model`; its kind cannot be asked from this door (`dialect`); the key's
   * `binding` leaves it out. By the call: it cannot be asked this very one (`unsaid`); it was `tried` before; it is of the
   * `same-origin` that was overloaded. By its state then: it was `cooling`; it was `parked`, until a person acts; it was
   * `unpriced` where a budget is to be kept. And where it goes before the one that was taken, by its session, its tier or
   * its priority: it was `full`, of calls or for the one that proves it after a rest; or `unavailable`: full or near a
   * limit, which is not stored, or at rest, which is not known after a day or where somebody cleared or edited it since.
   * Null: it was taken, or it does not go before the one that was.
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

  /**
   * Candidates by tier and priority, then the others: at most 16, and behind them the one taken and the one that the
   * session was bound to, where these are not among them. Null: not known.
   */
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
