import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import {
  ArrayMaxSize,
  ArrayUnique,
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsObject,
  IsString,
  IsUUID,
  Matches,
  Max,
  Min,
} from 'class-validator';
import { MayBeAbsent, MayBeNull, PRINTABLE_NAME, PRINTABLE_NAME_PROBLEM } from '../admin/optional-field.ts';

const MOST_GROUPS = 100;

export class ModelPolicyDto {
  /** Patterns of the model names served; `*` stands for any run of characters. Absent: the kind's own patterns. */
  @ApiPropertyOptional({ type: [String], example: ['claude-*'] })
  allow?: string[];

  /** Public name → the upstream's name. */
  @ApiPropertyOptional({
    type: 'object',
    additionalProperties: { type: 'string' },
    example: { fast: 'claude-haiku-4-5' },
  })
  map?: Record<string, string>;
}

export class CreateAccountDto {
  /** Unique among the accounts that are not deleted. */
  @IsString()
  @Matches(PRINTABLE_NAME, { message: PRINTABLE_NAME_PROBLEM })
  @ApiProperty({ maxLength: 200, example: 'claude-team-1' })
  name!: string;

  /** How the account is reached, one of the kinds that this build knows. Fixed for the account's life. */
  @IsString()
  @ApiProperty({ maxLength: 64, example: 'claude' })
  kind!: string;

  /** Origin and path prefix of another server than the kind's own; https, unless the relay's settings list the host. */
  @MayBeNull()
  @IsString()
  @ApiPropertyOptional({ type: String, nullable: true, maxLength: 2048 })
  baseUrl?: string | null;

  /**
   * Egress proxy for everything that is asked for this account: `http://`, `https://` or `socks5://`, with
   * `user:password@` where it wants them. Nothing goes around it. Shown with asterisks for the password.
   */
  @MayBeNull()
  @IsString()
  @ApiPropertyOptional({
    type: String,
    nullable: true,
    maxLength: 2048,
    example: 'socks5://user:password@proxy.example.com:1080',
  })
  proxyUrl?: string | null;

  /** What the account signs in with; the fields are the kind's. Never shown again. */
  @IsObject()
  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'string' },
    writeOnly: true,
    example: { apiKey: 'sk-…' },
  })
  credentials!: Record<string, unknown>;

  /** Lower is chosen first. */
  @MayBeAbsent()
  @IsInt()
  @Min(0)
  @Max(10_000)
  @ApiPropertyOptional({ type: 'integer', minimum: 0, maximum: 10_000, default: 50 })
  priority?: number;

  /** Share of the load among accounts of the same priority. */
  @MayBeAbsent()
  @IsInt()
  @Min(1)
  @Max(1_000)
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 1_000, default: 1 })
  weight?: number;

  /** Calls at once over all replicas; 0 = unlimited. */
  @MayBeAbsent()
  @IsInt()
  @Min(0)
  @Max(100_000)
  @ApiPropertyOptional({ type: 'integer', minimum: 0, maximum: 100_000, default: 0 })
  maxConcurrency?: number;

  /** Which models the account serves, and under which names; null or absent: all that its kind serves. */
  @MayBeNull()
  @IsObject()
  @ApiPropertyOptional({ type: () => ModelPolicyDto, nullable: true })
  models?: ModelPolicyDto | null;

  /** Ids of the account groups it is a member of. */
  @MayBeAbsent()
  @IsArray()
  @ArrayMaxSize(MOST_GROUPS)
  @ArrayUnique()
  @IsUUID(undefined, { each: true })
  @ApiPropertyOptional({ type: [String], format: 'uuid', maxItems: MOST_GROUPS, default: [] })
  groups?: string[];

  /**
   * What becomes of the upstream's answer when the client leaves: `cancel` ends it at once, `drain` reads it to its end,
   * within bounds, so that its usage is known. Default: `drain` for bedrock, which bills in full what is cancelled.
   */
  @MayBeAbsent()
  @IsIn(['cancel', 'drain'], { message: 'onClientLeave must be cancel or drain' })
  @ApiPropertyOptional({ enum: ['cancel', 'drain'] })
  onClientLeave?: 'cancel' | 'drain';

  @MayBeAbsent()
  @IsBoolean()
  @ApiPropertyOptional({ type: Boolean, default: true })
  enabled?: boolean;
}

/** The fields to change; those left out stay as they are. The kind cannot be changed: make another account. */
export class UpdateAccountDto {
  /** Unique among the accounts that are not deleted. */
  @MayBeAbsent()
  @IsString()
  @Matches(PRINTABLE_NAME, { message: PRINTABLE_NAME_PROBLEM })
  @ApiPropertyOptional({ maxLength: 200 })
  name?: string;

  /**
   * Null: back to the kind's own origin. When it moves the account to another origin, `credentials` must be given
   * too: what was stored for one server is never sent to another because of an edit.
   */
  @MayBeNull()
  @IsString()
  @ApiPropertyOptional({ type: String, nullable: true, maxLength: 2048 })
  baseUrl?: string | null;

  /** The whole new URL, its password included; null: no proxy any more. */
  @MayBeNull()
  @IsString()
  @ApiPropertyOptional({ type: String, nullable: true, maxLength: 2048 })
  proxyUrl?: string | null;

  /** The whole new set: nothing of the stored one is kept. */
  @MayBeAbsent()
  @IsObject()
  @ApiPropertyOptional({
    type: 'object',
    additionalProperties: { type: 'string' },
    writeOnly: true,
  })
  credentials?: Record<string, unknown>;

  /** Lower is chosen first. */
  @MayBeAbsent()
  @IsInt()
  @Min(0)
  @Max(10_000)
  @ApiPropertyOptional({ type: 'integer', minimum: 0, maximum: 10_000 })
  priority?: number;

  /** Share of the load among accounts of the same priority. */
  @MayBeAbsent()
  @IsInt()
  @Min(1)
  @Max(1_000)
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 1_000 })
  weight?: number;

  /** Calls at once over all replicas; 0 = unlimited. */
  @MayBeAbsent()
  @IsInt()
  @Min(0)
  @Max(100_000)
  @ApiPropertyOptional({ type: 'integer', minimum: 0, maximum: 100_000 })
  maxConcurrency?: number;

  /** The whole new policy; null: all that the kind serves. */
  @MayBeNull()
  @IsObject()
  @ApiPropertyOptional({ type: () => ModelPolicyDto, nullable: true })
  models?: ModelPolicyDto | null;

  /** The whole new list of account groups. */
  @MayBeAbsent()
  @IsArray()
  @ArrayMaxSize(MOST_GROUPS)
  @ArrayUnique()
  @IsUUID(undefined, { each: true })
  @ApiPropertyOptional({ type: [String], format: 'uuid', maxItems: MOST_GROUPS })
  groups?: string[];

  @MayBeAbsent()
  @IsIn(['cancel', 'drain'], { message: 'onClientLeave must be cancel or drain' })
  @ApiPropertyOptional({ enum: ['cancel', 'drain'] })
  onClientLeave?: 'cancel' | 'drain';

  @MayBeAbsent()
  @IsBoolean()
  @ApiPropertyOptional({ type: Boolean })
  enabled?: boolean;
}

export class CooldownDto {
  /** Whether the whole account rests, or one family of models on it. */
  @ApiProperty({ enum: ['account', 'model'] })
  scope!: 'account' | 'model';

  @ApiProperty({ type: String, nullable: true })
  modelFamily!: string | null;

  @ApiProperty({ type: String, example: 'credential-refused' })
  reason!: string;

  /** What was seen, in a few words. */
  @ApiProperty({ type: String })
  evidence!: string;

  @ApiProperty({ type: String, format: 'date-time' })
  since!: string;

  /** Null: until a person acts. */
  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  until!: string | null;
}

export class AccountHealthDto {
  /** The rests in force now; none = healthy. */
  @ApiProperty({ type: () => [CooldownDto] })
  cooldowns!: CooldownDto[];
}

export class AccountDto {
  @ApiProperty({ type: String, format: 'uuid' })
  id!: string;

  @ApiProperty({ type: String })
  name!: string;

  @ApiProperty({ type: String })
  kind!: string;

  @ApiProperty({ type: String, nullable: true })
  baseUrl!: string | null;

  /** With asterisks for its password, or for a user without one. */
  @ApiProperty({ type: String, nullable: true, example: 'socks5://user:***@proxy.example.com:1080' })
  proxyUrl!: string | null;

  @ApiProperty({ type: 'integer' })
  priority!: number;

  @ApiProperty({ type: 'integer' })
  weight!: number;

  @ApiProperty({ type: 'integer' })
  maxConcurrency!: number;

  @ApiProperty({ type: () => ModelPolicyDto, nullable: true })
  models!: ModelPolicyDto | null;

  @ApiProperty({ type: [String], format: 'uuid' })
  groups!: string[];

  @ApiProperty({ enum: ['cancel', 'drain'] })
  onClientLeave!: 'cancel' | 'drain';

  @ApiProperty({ type: Boolean })
  enabled!: boolean;

  @ApiProperty({ type: () => AccountHealthDto })
  health!: AccountHealthDto;

  /** Places taken now, over all replicas. */
  @ApiProperty({ type: 'integer' })
  inUse!: number;

  /** Goes up with every edit of the credential or the proxy, and with every renewal. */
  @ApiProperty({ type: 'integer' })
  credentialsVersion!: number;

  @ApiProperty({ type: String, format: 'date-time' })
  createdAt!: string;

  @ApiProperty({ type: String, format: 'date-time' })
  updatedAt!: string;
}

export class AccountPageDto {
  @ApiProperty({ type: () => [AccountDto] })
  items!: AccountDto[];

  /** Give it as `cursor` for the next page; null: there is none. */
  @ApiProperty({ type: String, nullable: true })
  nextCursor!: string | null;
}

export class AccountTestDto {
  /** The upstream's HTTP status; null when no answer came. */
  @ApiProperty({ type: 'integer', nullable: true })
  status!: number | null;

  /**
   * `ok`, or who is at fault: `credential` (refused), `account` (its limits or rights), `provider` (the vendor's
   * trouble), `client` (the test request itself was not understood), `unreachable` (no answer).
   */
  @ApiProperty({ enum: ['ok', 'credential', 'account', 'provider', 'client', 'unreachable'] })
  verdict!: 'ok' | 'credential' | 'account' | 'provider' | 'client' | 'unreachable';

  /** The model that was asked, where the request names one. */
  @ApiProperty({ type: String, nullable: true })
  model!: string | null;

  @ApiProperty({ type: 'integer' })
  latencyMs!: number;

  @ApiProperty({ type: String })
  message!: string;
}
