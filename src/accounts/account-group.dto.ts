import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayUnique, IsArray, IsString, IsUUID, Matches } from 'class-validator';
import { MayBeAbsent, PRINTABLE_NAME, PRINTABLE_NAME_PROBLEM } from '../admin/optional-field.ts';

const MOST_ACCOUNTS = 10_000;

export class CreateAccountGroupDto {
  /** Unique among the groups that are not deleted. */
  @IsString()
  @Matches(PRINTABLE_NAME, { message: PRINTABLE_NAME_PROBLEM })
  @ApiProperty({ maxLength: 200, example: 'team pool' })
  name!: string;

  /** Ids of the accounts in it. */
  @MayBeAbsent()
  @IsArray()
  @ArrayMaxSize(MOST_ACCOUNTS)
  @ArrayUnique()
  @IsUUID(undefined, { each: true })
  @ApiPropertyOptional({ type: [String], format: 'uuid', maxItems: MOST_ACCOUNTS, default: [] })
  accounts?: string[];
}

/** The fields to change; those left out stay as they are. */
export class UpdateAccountGroupDto {
  /** Unique among the groups that are not deleted. */
  @MayBeAbsent()
  @IsString()
  @Matches(PRINTABLE_NAME, { message: PRINTABLE_NAME_PROBLEM })
  @ApiPropertyOptional({ maxLength: 200 })
  name?: string;

  /** The whole new list of accounts. */
  @MayBeAbsent()
  @IsArray()
  @ArrayMaxSize(MOST_ACCOUNTS)
  @ArrayUnique()
  @IsUUID(undefined, { each: true })
  @ApiPropertyOptional({ type: [String], format: 'uuid', maxItems: MOST_ACCOUNTS })
  accounts?: string[];
}

export class AccountGroupDto {
  @ApiProperty({ type: String, format: 'uuid' })
  id!: string;

  @ApiProperty({ type: String })
  name!: string;

  @ApiProperty({ type: [String], format: 'uuid' })
  accounts!: string[];

  @ApiProperty({ type: String, format: 'date-time' })
  createdAt!: string;

  @ApiProperty({ type: String, format: 'date-time' })
  updatedAt!: string;
}

export class AccountGroupPageDto {
  @ApiProperty({ type: () => [AccountGroupDto] })
  items!: AccountGroupDto[];

  /** Give it as `cursor` for the next page; null: there is none. */
  @ApiProperty({ type: String, nullable: true })
  nextCursor!: string | null;
}
