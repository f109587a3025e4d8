import type { PriceBook } from '../usage/price-book.ts';
import { AttemptRecord } from './attempt-record.ts';
import type { Exchange } from './exchange.ts';
import type { Try } from './try.ts';

const exchange = { door: 'claude', heldNanos: 60n, receivedAt: 0 } as unknown as Exchange;
const one = {
  call: { lane: 'generate', framing: 'sse', model: 'claude-sonnet-4-5', body: Buffer.alloc(3) },
  lease: { requestId: 'one', attempt: 1, teams: [], admittedAt: new Date(0) },
  account: { kind: 'claude', maxConcurrency: 0 },
  known: { considered: { text: '{}' } },
} as unknown as Try;
const prices = {
  cost: () => {
    throw new Error('Nothing was used, so that no price is asked for');
  },
} as unknown as PriceBook;

describe('an attempt of which nothing was seen yet', () => {
  it('has cost nothing, and says what its call holds', () => {
    expect(new AttemptRecord(exchange, one).settlement(prices)).toMatchObject({
      costNanos: 0n,
      chargedNanos: null,
      heldNanos: 60n,
    });
  });
});
