import { NO_USAGE } from '../dialects/dialect.ts';
import { LatelySettled } from './lately-settled.ts';
import type { Settlement } from './settlement.ts';

const numbered = (attempt: number): Settlement =>
  ({ requestId: 'one', attempt, usage: NO_USAGE }) as unknown as Settlement;

describe('what was settled lately', () => {
  it('is what came in the ten seconds before the last one, and is taken once', () => {
    let now = 0;
    const lately = new LatelySettled(() => now);
    for (const [at, attempt] of [
      [0, 1],
      [5_000, 2],
      [11_000, 3],
    ] as const) {
      now = at;
      lately.add(numbered(attempt));
    }
    now = 60_000;
    expect(lately.take().map(({ attempt }) => attempt)).toEqual([2, 3]);
    expect(lately.take()).toEqual([]);
  });

  it('is kept from when the database went away, however much later something is settled before it is known to be back', () => {
    let now = 0;
    const lately = new LatelySettled(() => now);
    lately.add(numbered(1));
    lately.hold();
    now = 40_000;
    lately.add(numbered(2));
    expect(lately.take().map(({ attempt }) => attempt)).toEqual([1, 2]);
    expect(lately.take()).toEqual([]);
  });

  it('is at most two thousand, the latest', () => {
    const lately = new LatelySettled(() => 0);
    for (let attempt = 1; attempt <= 2_500; attempt += 1) lately.add(numbered(attempt));
    const taken = lately.take();
    expect([taken.length, taken[0]?.attempt, taken.at(-1)?.attempt]).toEqual([2_000, 501, 2_500]);
  });

  it('is kept no second time once it was sent again', () => {
    const lately = new LatelySettled(() => 0);
    const [again, later] = [numbered(1), numbered(2)];
    lately.add(again);
    lately.take();
    lately.add(again);
    lately.add(later);
    expect(lately.take()).toEqual([later]);
  });

  it('is not what the ledger never took', () => {
    const lately = new LatelySettled(() => 0);
    const [lost, whole] = [numbered(1), numbered(2)];
    lately.giveUp(lost);
    lately.add(lost);
    lately.add(whole);
    expect(lately.take()).toEqual([whole]);
  });
});
