import { Round, type Waiter, WaitingLines } from './waiting-lines.ts';
import { wishOf } from './wish.ts';

interface Named extends Waiter {
  readonly name: string;
}

let clock = 0;

/** `accounts` as `a b`, or with a family each: `a/opus`. */
function waiter(line: string, name: string, accounts = 'a', change: Partial<Waiter> = {}): Named {
  const candidates = accounts.split(' ').map((text) => {
    const [accountId = '', modelFamily = 'f'] = text.split('/');
    return { accountId, version: 1n, tier: 0, modelFamily };
  });
  const wish = wishOf({ lane: 'generate', candidates });
  return { line, name, arrivedAt: (clock += 1), wish, needsKey: true, ...change };
}

function linesOf(...waiters: readonly Named[]): WaitingLines<Named> {
  const lines = new WaitingLines<Named>(1_000);
  for (const one of waiters) lines.enter(one);
  return lines;
}

const names = (picks: readonly Named[]): string => picks.map(({ name }) => name).join(' ');

/** Asks as the room does, with so many places on each account and for each key; answers who was let in, in order. */
function letIn(
  lines: WaitingLines<Named>,
  places: Record<string, number>,
  keys: Record<string, number> = {},
) {
  const round = new Round<Named>();
  const admitted: string[] = [];
  const asked: string[] = [];
  for (let width = 1; ; width *= 2) {
    const picks = lines.pick(round, width, 32);
    if (picks.length === 0) return { admitted: admitted.join(' '), asked: asked.join(' ') };
    for (const one of picks) {
      asked.push(one.name);
      const account = [...one.wish.accounts].find((id) => (places[id] ?? 0) > 0);
      if (one.needsKey && (keys[one.line] ?? Infinity) <= 0) round.learn(one, 'key-full');
      else if (account === undefined) round.learn(one, 'accounts-full');
      else {
        places[account] = (places[account] ?? 0) - 1;
        keys[one.line] = (keys[one.line] ?? Infinity) - 1;
        admitted.push(one.name);
        lines.served(one);
        lines.leave(one);
      }
    }
  }
}

describe('the lines of waiting calls', () => {
  it('let in those of one key in the order in which they came', () => {
    const lines = linesOf(...['1', '2', '3', '4', '5'].map((name) => waiter('k', name)));
    expect(letIn(lines, { a: 1 }).admitted).toBe('1');
    expect(letIn(lines, { a: 3 }).admitted).toBe('2 3 4');
    expect(letIn(lines, { a: 9 }).admitted).toBe('5');
    expect(lines.size).toBe(0);
  });

  it('give back its place to a call that must ask anew', () => {
    const [first, second] = [waiter('k', '1'), waiter('k', '2')];
    const lines = linesOf(first, second);
    lines.leave(first);
    expect(lines.isBehind('k', first.arrivedAt)).toBe(false);
    expect(lines.isBehind('k', second.arrivedAt + 1)).toBe(true);
    lines.enter(first);
    expect(letIn(lines, { a: 2 }).admitted).toBe('1 2');
  });

  it('ask one of all who want the same, and nobody else once it is refused', () => {
    const many = Array.from({ length: 100 }, (_, at) => waiter(`k${at % 10}`, `${at}`));
    expect(letIn(linesOf(...many), { a: 0 }).asked).toBe('0');
    expect(letIn(linesOf(...many), { a: 1 }).asked).toBe('0 1 2');
  });

  it('do not let a key with a hundred calls starve the others', () => {
    const lines = linesOf(...Array.from({ length: 100 }, (_, at) => waiter('long', `l${at}`)));
    lines.enter(waiter('short', 's0'));
    lines.enter(waiter('short', 's1'));
    lines.enter(waiter('other', 'o0'));
    const turns = Array.from({ length: 6 }, () => letIn(lines, { a: 1 }).admitted);
    expect(turns).toEqual(['l0', 's0', 'o0', 'l1', 's1', 'l2']);
    lines.enter(waiter('short', 's2'));
    lines.enter(waiter('other', 'o1'));
    expect(letIn(lines, { a: 4 }).admitted.split(' ').sort()).toEqual(['l3', 'l4', 'o1', 's2']);
  });

  it('pass over a key that is full, and whose account is free is not held up by it', () => {
    const lines = linesOf(waiter('full', '1'), waiter('full', '2'), waiter('free', '3'));
    const { admitted, asked } = letIn(lines, { a: 5 }, { full: 0 });
    expect(admitted).toBe('3');
    expect(asked).toBe('1 3');
  });

  it('pass over calls whose accounts are full, also of the same key', () => {
    const lines = linesOf(waiter('k', '1', 'a'), waiter('k', '2', 'a b'), waiter('k', '3', 'c'));
    expect(letIn(lines, { b: 1, c: 1 }).admitted.split(' ').sort()).toEqual(['2', '3']);
  });

  it('ask nobody before one who came earlier and wants an account of theirs', () => {
    const lines = linesOf(waiter('k', '1', 'a'), waiter('k', '2', 'a'), waiter('k', '3', 'a b'));
    const round = new Round<Named>();
    expect(names(lines.pick(round, 1, 32))).toBe('1');
    expect(names(lines.pick(round, 2, 32))).toBe('1 2 3');
    expect(names(lines.pick(round, 2, 1))).toBe('1');
  });

  it('know that an account may rest for one model family and have room for another', () => {
    const [one, other] = [waiter('k', '1', 'a/opus b/opus'), waiter('k', '2', 'a/haiku')];
    const lines = linesOf(one, other);
    const round = new Round<Named>();
    expect(names(lines.pick(round, 1, 32))).toBe('1 2');
    round.learn(one, 'accounts-full');
    expect(names(lines.pick(round, 1, 32))).toBe('2');
  });

  it('let an open call go on to its next account although its key is full', () => {
    const lines = linesOf(waiter('k', '1'), waiter('k', 'moving', 'a', { needsKey: false, arrivedAt: 0 }));
    expect(letIn(lines, { a: 2 }, { k: 0 }).admitted).toBe('moving');
  });

  it('are only asked for those whom a round is for', () => {
    const lines = linesOf(waiter('k', '1', 'a'), waiter('k', '2', 'b'), waiter('l', '3', 'b'));
    const round = new Round<Named>(({ wish }) => wish.accounts.has('b'));
    expect(names(lines.pick(round, 4, 32))).toBe('2 3');
  });

  it('tell whether somebody wants what nobody of the line has asked for', () => {
    const lines = linesOf(waiter('k', '1', 'a b'));
    expect(lines.enter(waiter('k', '2', 'b a'))).toBe(false);
    expect(lines.enter(waiter('k', '3', 'a'))).toBe(true);
    expect(lines.enter(waiter('l', '4', 'a'))).toBe(true);
  });

  it('wait for counting places apart, whatever the accounts', () => {
    const wish = wishOf({ lane: 'count', candidates: [] });
    const counting = waiter('k count', '1', '', { wish });
    expect(names(linesOf(counting).pick(new Round<Named>(), 1, 32))).toBe('1');
  });
});
