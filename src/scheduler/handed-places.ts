import type { Settlement } from './settlement.ts';

/** A call that is over, whose open row still stands in the database and holds its places. */
export interface Vacancy {
  /** Its last settlement, as final: sent, it takes the open row away. */
  readonly settlement: Settlement;
  /** The open row surely holds a place of the settlement's account. */
  readonly placed: boolean;
  /** Nothing is limited of its key and the teams above it, so that nobody misses what the row holds of them. */
  readonly keyFree: boolean;
}

/** What a call wants of those places. */
export interface Want {
  readonly keyId: string;
  readonly lane: Settlement['lane'];
  /** The key, or a team above it, has only so many places. */
  readonly keyLimited: boolean;
  /** The key's team and those above it. */
  readonly teams: readonly string[];
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
 * standing for them. A row passes only to a call that needs whatever is limited in it: a limited key's (or team's) to
 * a call of the same key and teams, a limited account's to a call on the same account. So nothing limited is counted
 * that nobody uses, and never more is used than is counted. A call may go on in the key's place of one row and the
 * account's place of another where the rest of both is free.
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
    const { keyLimited, lane, accounts } = want;
    const ofKey = this.vacant.filter((one) => isOfKey(one, want));
    const needsKey = keyLimited || lane === 'count';
    if (needsKey && ofKey.length === 0) return 'key-full';
    for (const accountId of accounts) {
      const found = needsKey ? this.forBoth(accountId, ofKey, want) : this.forAccount(accountId, want);
      if (found === undefined) continue;
      this.vacant = this.vacant.filter((one) => !found.includes(one));
      return { accountId, vacancies: found };
    }
    return 'accounts-full';
  }

  private forBoth(accountId: string, ofKey: readonly Vacancy[], want: Want): readonly Vacancy[] | undefined {
    const both = ofKey.find((one) => isPlacedOn(one, accountId));
    if (both !== undefined) return [both];
    const key = ofKey.find(({ settlement: s }) => s.lane === 'count' || !want.isLimited(s.accountId));
    const account = this.forAccount(accountId, want);
    return key && account && [key, ...account];
  }

  /** None where the account is not limited. */
  private forAccount(accountId: string, want: Want): readonly Vacancy[] | undefined {
    if (want.lane === 'count' || !want.isLimited(accountId)) return [];
    const place = this.vacant.find(
      (one) => isPlacedOn(one, accountId) && (one.keyFree || (!want.keyLimited && isOfKey(one, want))),
    );
    return place && [place];
  }
}

function isOfKey({ settlement: s }: Vacancy, { keyId, lane, teams }: Want): boolean {
  const sameTeams = s.teams.length === teams.length && s.teams.every((id) => teams.includes(id));
  return s.keyId === keyId && s.lane === lane && sameTeams;
}

function isPlacedOn({ settlement: s, placed }: Vacancy, accountId: string): boolean {
  return placed && s.accountId === accountId && s.lane !== 'count';
}
