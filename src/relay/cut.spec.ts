import { jest } from '@jest/globals';
import { Cut } from './cut.ts';
import { Drains } from './drains.ts';
import { Flow, Left } from './flow.ts';

const MOST_AT_ONCE = 32;
const TOTAL_MS = 3_600_000;

describe('Cut', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  /** An attempt whose client has left. */
  function left(drains?: Drains): Cut {
    const flow = new Flow();
    const cut = new Cut(flow, TOTAL_MS, drains);
    flow.leave('client-left');
    return cut;
  }

  it('ends at once when the client leaves and nothing is drained', () => {
    const cut = left();
    expect(cut.signal.reason).toBeInstanceOf(Left);
    expect(cut.isDraining).toBe(false);
  });

  it('drains for two minutes', () => {
    const cut = left(new Drains());
    jest.advanceTimersByTime(119_999);
    expect(cut.signal.aborted).toBe(false);
    jest.advanceTimersByTime(1);
    expect(cut.signal.reason).toBeInstanceOf(Left);
    cut.release();
  });

  it('drains 32 MiB', () => {
    const cut = left(new Drains());
    cut.took(32 * 1024 * 1024);
    expect(cut.signal.aborted).toBe(false);
    cut.took(1);
    expect(cut.signal.aborted).toBe(true);
    cut.release();
  });

  it('counts only what comes after the client has left', () => {
    const flow = new Flow();
    const cut = new Cut(flow, TOTAL_MS, new Drains());
    cut.took(64 * 1024 * 1024);
    flow.leave('client-left');
    cut.took(1);
    expect(cut.signal.aborted).toBe(false);
    cut.release();
  });

  it('ends what would be one drain too many, and has room again when one is over', () => {
    const drains = new Drains();
    const open = Array.from({ length: MOST_AT_ONCE }, () => left(drains));
    expect(open.every(({ signal }) => !signal.aborted)).toBe(true);
    expect(left(drains).signal.aborted).toBe(true);
    open[0]?.release();
    expect(left(drains).signal.aborted).toBe(false);
  });

  it('ends every drain when the relay leaves', () => {
    const drains = new Drains();
    const cut = left(drains);
    drains.cutAll();
    expect(cut.signal.aborted).toBe(true);
  });

  it.each(['write-stall', 'draining'] as const)('drains nothing that ends as %s', (reason) => {
    const flow = new Flow();
    const cut = new Cut(flow, TOTAL_MS, new Drains());
    flow.leave(reason);
    expect(cut.signal.aborted).toBe(true);
  });
});
