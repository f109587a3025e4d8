import type { Settlement } from './settlement.ts';

/** Fields that JSON does not know. */
type Special = {
  [K in keyof Settlement]-?: [Extract<Settlement[K], bigint | Date>] extends [never] ? never : K;
}[keyof Settlement];

/** A new field of such a type does not compile before it stands here. */
const READ: { readonly [K in Special]: (text: string) => NonNullable<Settlement[K]> } = {
  admittedAt: (text) => new Date(text),
  costNanos: (text) => BigInt(text),
};
const SPECIAL = Object.keys(READ) as readonly Special[];

/** A settlement as the spool keeps it; it holds ids and figures, no credential and nothing of a body. */
export function textOfSettlement(settlement: Settlement): string {
  return JSON.stringify({
    ...settlement,
    costNanos: settlement.costNanos === null ? null : String(settlement.costNanos),
  });
}

/** Undefined: none, or one of another build that lacks what every settlement has. */
export function settlementOfText(text: string): Settlement | undefined {
  try {
    const plain = JSON.parse(text) as Record<string, unknown>;
    for (const name of SPECIAL) {
      const value = plain[name];
      if (value !== null) plain[name] = READ[name](value as string);
    }
    const settlement = plain as unknown as Settlement;
    const whole = typeof settlement.requestId === 'string' && typeof settlement.usage === 'object';
    return whole && !Number.isNaN(settlement.admittedAt.getTime()) ? settlement : undefined;
  } catch {
    return undefined;
  }
}
