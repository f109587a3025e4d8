import type { Rehearsal } from './relay.ts';

/** What a request that was refused at the door must leave as it was. */
export interface Traces {
  /** Requests that any upstream saw. */
  readonly upstream: number;
  readonly ledger: number;
  readonly open: number;
  /** Accounts on which a place was ever taken. */
  readonly leased: number;
}

export async function traces(rehearsal: Rehearsal): Promise<Traces> {
  const [row] = await rehearsal.sql<Omit<Traces, 'upstream'>>(`
    select (select count(*) from ledger)::integer as ledger,
           (select count(*) from open_calls)::integer as open,
           (select count(*) from account_state where last_used > '-infinity')::integer as leased`);
  if (row === undefined) throw new Error('The database did not answer');
  return { upstream: rehearsal.simulator.requests.length, ...row };
}

/**
 * For a whole `describe`: after each of its tests no upstream has been asked, and after all of them no place was taken
 * and nothing booked.
 */
export function bothersNobody(rehearsal: () => Rehearsal): void {
  let before: Traces;
  beforeAll(async () => {
    before = await traces(rehearsal());
  });
  afterEach(() => {
    expect(rehearsal().simulator.requests).toHaveLength(before.upstream);
  });
  afterAll(async () => {
    expect(await traces(rehearsal())).toEqual(before);
  });
}
