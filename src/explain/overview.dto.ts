import { ApiProperty } from '@nestjs/swagger';
import { CooldownDto } from '../accounts/account.dto.ts';
import { NamedDto } from '../usage/named.dto.ts';

/** Open calls of one key on one account. */
export class LeaseGroupDto {
  @ApiProperty({ type: () => NamedDto })
  key!: NamedDto;

  @ApiProperty({ type: () => NamedDto })
  account!: NamedDto;

  @ApiProperty({ enum: ['generate', 'count'] })
  lane!: string;

  @ApiProperty({ type: 'integer' })
  calls!: number;

  /** Since the admission of the oldest of them. */
  @ApiProperty({ type: 'integer' })
  oldestMs!: number;
}

export class LeasesDto {
  /** Of all keys and accounts. */
  @ApiProperty({ type: 'integer' })
  calls!: number;

  /** The most calls first; at most 500. */
  @ApiProperty({ type: () => [LeaseGroupDto] })
  groups!: LeaseGroupDto[];
}

/** Calls of one key that wait for a place, on the replica that answers. */
export class WaitingCallsDto {
  @ApiProperty({ type: () => NamedDto })
  key!: NamedDto;

  @ApiProperty({ enum: ['generate', 'count'] })
  lane!: string;

  @ApiProperty({ type: 'integer' })
  calls!: number;

  /** How long the first of them has waited. */
  @ApiProperty({ type: 'integer' })
  oldestMs!: number;
}

/** One life of one process. */
export class ReplicaDto {
  @ApiProperty({ type: String, format: 'uuid' })
  epoch!: string;

  /** As its machine calls itself; null: not told. */
  @ApiProperty({ type: String, nullable: true })
  host!: string | null;

  /**
   * `silent`: without a heartbeat for longer than one may be, and about to be marked; `dead`: marked so; `closed`: it
   * ended by itself.
   */
  @ApiProperty({ enum: ['alive', 'silent', 'dead', 'closed'] })
  state!: 'alive' | 'silent' | 'dead' | 'closed';

  /** It gave this answer. */
  @ApiProperty({ type: Boolean })
  self!: boolean;

  @ApiProperty({ type: String, format: 'date-time' })
  startedAt!: string;

  @ApiProperty({ type: String, format: 'date-time' })
  lastBeatAt!: string;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  endedAt!: string | null;

  /** Open calls; those of one that has ended are still to be swept. */
  @ApiProperty({ type: 'integer' })
  calls!: number;
}

export class RestingAccountDto {
  @ApiProperty({ type: () => NamedDto })
  account!: NamedDto;

  @ApiProperty({ type: String })
  kind!: string;

  @ApiProperty({ type: Boolean })
  enabled!: boolean;

  @ApiProperty({ type: () => [CooldownDto] })
  cooldowns!: CooldownDto[];
}

export class SchedulerDto {
  @ApiProperty({ type: () => LeasesDto })
  leases!: LeasesDto;

  /** On the replica that answers: each has lines of its own. The longest first; at most 500. */
  @ApiProperty({ type: () => [WaitingCallsDto] })
  queue!: WaitingCallsDto[];

  /** Those that live, those that ended in the last hour, and those that ended and hold calls; at most 200. */
  @ApiProperty({ type: () => [ReplicaDto] })
  replicas!: ReplicaDto[];

  /** Accounts that rest, whole or for some models; the newest 500. */
  @ApiProperty({ type: () => [RestingAccountDto] })
  cooldowns!: RestingAccountDto[];
}
