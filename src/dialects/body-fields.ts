import { CallError } from './dialect.ts';
import { type BodyScan, type JsonKind, type Member, readValue } from './json-scan.ts';

/** Fields of a scanned body, each error naming its field. */

export function requireField(scan: BodyScan, field: string, ...kinds: readonly JsonKind[]): Member {
  const member = scan.members.get(field);
  if (!member) throw new CallError(`${field}: is required`);
  return checkKind(member, field, kinds);
}

export function checkKind(member: Member, field: string, kinds: readonly JsonKind[]): Member {
  if (kinds.includes(member.kind)) return member;
  throw new CallError(`${field}: must be ${kinds.map(withArticle).join(' or ')}`);
}

export function readString(body: Buffer, member: Member, field: string): string {
  checkKind(member, field, ['string']);
  return readValue(body, member.span, field) as string;
}

/** @throws CallError unless it is a whole number from `min` to `max`. */
export function readWhole(body: Buffer, member: Member, field: string, min: number, max: number): number {
  checkKind(member, field, ['number']);
  const value = readValue(body, member.span, field) as number;
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value + 0;
  const bounds = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
  throw new CallError(`${field}: must be a whole number ${bounds}`);
}

/**
 * Some servers read names without regard to case. A body that spells one of these names in another case as well
 * could be read there in another way than here.
 */
export class Spellings {
  private readonly fields: ReadonlySet<string>;
  private readonly byFolded: ReadonlyMap<string, string>;

  constructor(...fields: readonly string[]) {
    this.fields = new Set(fields);
    this.byFolded = new Map(fields.map((field) => [fold(field), field]));
  }

  refuseOthers(scan: BodyScan): void {
    for (const name of scan.members.keys()) {
      if (this.fields.has(name)) continue;
      const field = this.byFolded.get(fold(name));
      if (field !== undefined) throw new CallError(`${name}: must be written as ${field}`);
    }
  }
}

function fold(name: string): string {
  return name.toUpperCase().toLowerCase();
}

function withArticle(kind: JsonKind): string {
  if (kind === 'boolean') return 'true or false';
  return /^[aeiou]/.test(kind) ? `an ${kind}` : `a ${kind}`;
}
