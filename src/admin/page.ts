import { ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsInt, IsString, Max, MaxLength, Min } from 'class-validator';
import { ProblemError } from '../errors/problem-error.ts';
import { MayBeAbsent } from './optional-field.ts';

export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
/** ISO 8601 UTC to the microsecond, as Postgres keeps it: a coarser cursor would skip or repeat rows. */
export const MICROSECOND = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;

/** Lists are read by keyset: newest first, `cursor` from the page before. */
export class PageQuery {
  @ApiPropertyOptional({
    type: 'integer',
    default: 50,
    minimum: 1,
    maximum: 200,
    description: 'Items on a page',
  })
  @MayBeAbsent()
  @Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? Number(value) : value))
  @IsInt()
  @Min(1)
  @Max(200)
  limit: number = 50;

  @ApiPropertyOptional({
    type: String,
    maxLength: 512,
    description: '`nextCursor` of the page before; absent: the first page',
  })
  @MayBeAbsent()
  @IsString()
  @MaxLength(512)
  cursor?: string;
}

export interface Page<T> {
  items: T[];
  nextCursor: string | null;
}

/** Opaque to clients: the values that the last row of a page is ordered by. */
export function encodeCursor(...values: readonly string[]): string {
  return Buffer.from(JSON.stringify(values)).toString('base64url');
}

/** One value for each pattern, or undefined for the first page. @throws ProblemError 400 naming `cursor` */
export function decodeCursor(
  cursor: string | undefined,
  ...patterns: readonly RegExp[]
): string[] | undefined {
  if (cursor === undefined) return undefined;
  const values = parsed(cursor);
  const sound =
    values?.length === patterns.length &&
    patterns.every((pattern, index) => pattern.test(values[index] ?? '')) &&
    patterns.every((pattern, index) => pattern !== MICROSECOND || isTime(values[index] ?? ''));
  if (!sound) throw ProblemError.fields([{ field: 'cursor', problem: 'must be the nextCursor of a page' }]);
  return values;
}

/** Makes a page of up to `limit` items from a read of `limit + 1`. */
export function pageOf<Row, T>(
  rows: readonly Row[],
  limit: number,
  cursorOf: (row: Row) => string,
  show: (row: Row) => T,
): Page<T> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const more = rows.length > limit && last !== undefined;
  return { items: shown.map((row) => show(row)), nextCursor: more ? cursorOf(last) : null };
}

function parsed(cursor: string): string[] | undefined {
  try {
    const values: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    return Array.isArray(values) && values.every((value) => typeof value === 'string') ? values : undefined;
  } catch {
    return undefined;
  }
}

/** The calendar has the day: 30 February matches the pattern, and Postgres would refuse it. */
function isTime(text: string): boolean {
  const date = new Date(`${text.slice(0, 23)}Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().slice(0, 23) === text.slice(0, 23);
}
