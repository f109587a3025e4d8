/**
 * A request id is a uuidv7: its first 48 bits are milliseconds since 1970 by the clock of the replica that made it.
 * The ledger is partitioned by it, so a report that asks for a time range also asks for a range of ids.
 */

/** How far a replica's clock may be from the database's and still be found by {@link requestIdBounds}. */
export const CLOCK_SKEW_MS = 3_600_000;

export interface RequestIdBounds {
  /** Inclusive. */
  readonly from: string;
  /** Exclusive. */
  readonly to: string;
}

/** @throws Error when the text is not a UUID of version 7. */
export function timeOfRequestId(id: string): Date {
  if (!/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i.test(id)) {
    throw new Error('A request id is a UUID of version 7');
  }
  return new Date(Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16));
}

/** The lowest uuid of that millisecond: every id made then or later is at or above it. */
export function requestIdFloor(at: Date): string {
  const ms = Math.min(Math.max(at.getTime(), 0), 2 ** 48 - 1);
  const hex = ms.toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
}

/**
 * Ids that calls admitted in [from, to) may have, an hour of clock skew allowed on either side. Beside the condition
 * on `admitted_at`, never instead of it: `request_id >= from and request_id < to` only lets partitions be skipped.
 */
export function requestIdBounds(from: Date, to: Date): RequestIdBounds {
  return {
    from: requestIdFloor(new Date(from.getTime() - CLOCK_SKEW_MS)),
    to: requestIdFloor(new Date(to.getTime() + CLOCK_SKEW_MS)),
  };
}
