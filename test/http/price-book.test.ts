import { NO_USAGE } from '../../src/dialects/dialect.ts';
import { PriceBook } from '../../src/usage/price-book.ts';
import { admin, Rehearsal } from '../support/relay.ts';

let relay: Rehearsal;
let book: PriceBook;
const put = (model: string, body: object) => admin(relay.url, 'PUT', `/prices/${model}`, body);
const at = new Date('2027-03-01T00:00:00Z');
const before = new Date('2027-02-01T00:00:00Z');
const million = { ...NO_USAGE, inputTokens: 1_000_000 };
const cost = (kind: string, model: string, when = at) => book.cost(kind, model, million, when).costNanos;

beforeAll(async () => {
  relay = await Rehearsal.start();
  book = relay.replica(0).app.get(PriceBook);
});
afterAll(() => relay.close());

describe('the price of a call', () => {
  it('is the seeded one of its kind and model, a release of a model among them', () => {
    expect(cost('claude', 'claude-haiku-4-5')).toBe(1_000_000_000n);
    expect(cost('claude', 'claude-haiku-4-5-20251001')).toBe(1_000_000_000n);
    expect(cost('gemini', 'gemini-2.5-pro')).toBe(2_500_000_000n);
    expect(cost('gemini', 'claude-haiku-4-5')).toBeNull();
  });

  it('is unknown for a model whose name only begins like a known one', () => {
    for (const model of [
      'claude-haiku-4-5-turbo',
      'claude-haiku-4-50',
      'gemini-2.5-pro-image',
      'claude',
      '',
    ]) {
      expect(book.cost('claude', model, million, at)).toEqual({
        costNanos: null,
        priceId: null,
        chargedNanos: null,
      });
    }
  });

  it('is nothing where nothing was used, known model or not', () => {
    expect(book.cost('claude', 'nobody', NO_USAGE, at)).toEqual({
      costNanos: 0n,
      priceId: null,
      chargedNanos: null,
    });
  });

  it('is an administrator’s before the seed’s, the kind’s own before any kind’s, by the time of the call', async () => {
    await put('claude-opus-5', { input: '7', effectiveFrom: '2027-02-15' });
    expect(cost('claude', 'claude-opus-5', before)).toBe(5_000_000_000n);
    expect(cost('claude', 'claude-opus-5')).toBe(7_000_000_000n);
    expect(cost('claude', 'claude-opus-5-20270101')).toBe(7_000_000_000n);
    await put('claude-opus-5', { kind: 'claude', input: '8', effectiveFrom: '2027-02-20' });
    expect(cost('claude', 'claude-opus-5')).toBe(8_000_000_000n);
    expect(cost('gemini', 'claude-opus-5')).toBe(7_000_000_000n);
    await put('claude-opus-5-20270101', { input: '9', effectiveFrom: '2027-02-20' });
    expect(cost('claude', 'claude-opus-5-20270101')).toBe(9_000_000_000n);
  });

  it('is the one written last, of two that begin together', async () => {
    await put('twice', { input: '1', effectiveFrom: '2027-01-01' });
    await put('twice', { input: '2', effectiveFrom: '2027-01-01' });
    expect(cost('claude', 'twice')).toBe(2_000_000_000n);
  });

  it('is unknown when it is more than the ledger can hold', () => {
    const absurd = { ...NO_USAGE, outputTokens: Number.MAX_SAFE_INTEGER };
    expect(book.cost('claude', 'claude-opus-4', absurd, at)).toEqual({
      costNanos: null,
      priceId: null,
      chargedNanos: 2n ** 63n - 1n,
    });
  });

  it('reaches every replica', async () => {
    const other = (await relay.addReplica()).app.get(PriceBook);
    expect(other.find('claude', 'claude-haiku-4-5', at)).toEqual(book.find('claude', 'claude-haiku-4-5', at));
    await put('everywhere', { input: '3', effectiveFrom: '2027-01-01' });
    const until = Date.now() + 20_000;
    while (other.find('claude', 'everywhere', at) === undefined && Date.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(other.find('claude', 'everywhere', at)?.price.input).toBe(3_000_000_000n);
  });
});
