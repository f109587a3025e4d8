import type { Settlement } from './settlement.ts';

/** A call that is over, whose open row still stands in the database and holds its places. */
export interface Vacancy {
  /** Its last settlement, as final: sent, it takes the open row away. */
  readonly settlement: Settlement;
  /** The open row surely holds a place of the settlement's account. */
  readonly placed: boolean;
}

/** What a call wants of those places. */
export interface Want {
  readonly keyId: string;
  readonly lane: Settlement['lane'];
  /** The key, or a team above it, has only so many places. */
  readonly keyLimited: boolean;
  /** Accounts in the order in which they are to be tried. */
  readonly accounts: readonly string[];
  readonly isLimited: (accountId: string) => boolean;
}

/** An account, and the vacancies whose places the call goes on in; none where nothing is limited. */
export interface Handed {
  readonly accountId: string;
  readonly vacancies: readonly Vacancy[];
}

/**
 * Places that pass from a call that ended to one that waits, without the database: the ended call's open row goes on
 * standing for them. A call may go on in the key's place of one row and the account's place of another; what else these
 * rows hold is then nobody's until the call has ended, so that never more is used than is counted.
 *
 * States of a vacancy: vacant → held by one call → vacant …, or taken out to be settled.
 */
export class HandedPlaces {
  private vacant: Vacancy[] = [];

  add(vacancy: Vacancy): void {
    this.vacant.push(vacancy);
  }

  /** All that are vacant, to be settled. */
  empty(): Vacancy[] {
    return this.vacant.splice(0);
  }

  /** Takes what the call needs; or tells what is missing, and takes nothing. */
  take(want: Want): Handed | 'key-full' | 'accounts-full' {
    const { keyId, lane, keyLimited, accounts, isLimited } = want;
    const counting = lane === 'count';
    const ofKey = this.vacant.filter(({ settlement: s }) => s.keyId === keyId && s.lane === lane);
    const needsKey = keyLimited || counting;
    if (needsKey && ofKey.length === 0) return 'key-full';
    for (const accountId of accounts) {
      const found = this.find(accountId, needsKey ? ofKey : undefined, !counting && isLimited(accountId));
      if (found === undefined) continue;
      this.vacant = this.vacant.filter((one) => !found.includes(one));
      return { accountId, vacancies: found };
    }
    return 'accounts-full';
  }

  private find(
    accountId: string,
    ofKey: readonly Vacancy[] | undefined,
    needsAccount: boolean,
  ): readonly Vacancy[] | undefined {
    const holds = ({ settlement: s, placed }: Vacancy): boolean =>
      placed && s.accountId === accountId && s.lane !== 'count';
    const both = ofKey?.find(holds);
    if (both !== undefined) return [both];
    const keys = ofKey?.slice(0, 1) ?? [];
    if (!needsAccount) return keys;
    const place = this.vacant.find(holds);
    return place && [...keys, place];
  }
}
