import { Injectable } from '@nestjs/common';
import type { Call } from '../dialects/dialect.ts';
import { outputLimit } from '../dialects/output-limit.ts';
import type { Candidate, Hold } from '../scheduler/admission.ts';
import type { Account } from '../upstream/account.ts';
import { UpstreamRegistry } from '../upstream/upstream-registry.ts';
import { PriceBook } from '../usage/price-book.ts';
import { dearestRates, type Price } from '../usage/pricing.ts';
import { type Ceiling, estimate, type Rates } from './call-hold.ts';
import { wayTo } from './candidates.ts';

/** So late at most a price counts here whose time has come. */
const KNOWN_FOR_MS = 10_000;

/** What prices depend on. */
type PricedCall = Pick<Call, 'dialect' | 'operation' | 'model' | 'lane'>;

interface Known extends Ceiling {
  readonly unpriced: ReadonlySet<string>;
  readonly edition: number;
  readonly until: number;
}

/**
 * What is held for a call until it ends: its estimate at the dearest price of all accounts that may serve it, since
 * the hold stays when the call moves.
 *
 * State: the dearest prices of each array of candidates, which is one model's for keys that are bound alike; forgotten
 * with the array, with any change of prices, and by time.
 */
@Injectable()
export class Holds {
  private readonly known = new WeakMap<readonly Candidate[], Known>();

  constructor(
    private readonly registry: UpstreamRegistry,
    private readonly book: PriceBook,
  ) {}

  /**
   * @param accounts the settings that the pool was chosen from
   * @returns undefined: counting tokens costs nothing
   */
  of(call: Call, accounts: readonly Account[], pool: readonly Candidate[]): Hold | undefined {
    if (call.lane === 'count') return undefined;
    const known = this.knownOf(call, accounts, pool);
    const { nanos, tokens } = estimate(call, known);
    return { nanos, tokens, unpriced: known.unpriced };
  }

  /** Those of the pool that have no known price for the call. */
  unpriced(
    call: PricedCall,
    accounts: readonly Account[],
    pool: readonly Candidate[],
  ): ReadonlySet<string> | undefined {
    return call.lane === 'count' ? undefined : this.knownOf(call, accounts, pool).unpriced;
  }

  private knownOf(call: PricedCall, accounts: readonly Account[], pool: readonly Candidate[]): Known {
    const now = performance.now();
    const found = this.known.get(pool);
    if (found !== undefined && found.edition === this.book.edition && found.until > now) return found;
    const made = {
      ...this.read(call, accounts, pool),
      edition: this.book.edition,
      until: now + KNOWN_FOR_MS,
    };
    this.known.set(pool, made);
    return made;
  }

  private read(
    call: PricedCall,
    accounts: readonly Account[],
    pool: readonly Candidate[],
  ): Omit<Known, 'edition' | 'until'> {
    const at = new Date();
    const byId = new Map(accounts.map((account) => [account.id, account]));
    const unpriced = new Set<string>();
    const prices: Price[] = [];
    let outputTokens = 0;
    for (const { accountId } of pool) {
      const account = byId.get(accountId);
      const way = account && wayTo(call, account, this.registry.get(account.kind));
      if (account === undefined || way === undefined) continue;
      outputTokens = Math.max(outputTokens, outputLimit(way.model));
      const price = this.book.find(account.kind, way.model, at)?.price;
      if (price !== undefined && pays(price, call)) prices.push(price);
      else unpriced.add(accountId);
    }
    const above = Math.min(
      ...prices.flatMap(({ longContext = [] }) => longContext.map((tier) => tier.above)),
    );
    return {
      rates: dearest(prices, 0),
      long: { above, ...dearest(prices, Infinity) },
      outputTokens,
      unpriced,
    };
  }
}

/** What embeds has no output, and often no price for one. */
function pays(price: Price, { operation }: PricedCall): boolean {
  return price.input !== undefined && (price.output !== undefined || operation !== 'generate');
}

function dearest(prices: readonly Price[], inputTokens: number): Rates {
  const most = { input: 0n, output: 0n };
  for (const price of prices) {
    const { input = 0n, output = 0n } = dearestRates(price, inputTokens);
    if (input > most.input) most.input = input;
    if (output > most.output) most.output = output;
  }
  return most;
}
