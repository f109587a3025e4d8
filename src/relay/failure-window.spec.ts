import { FailureWindow } from './failure-window.ts';

describe('the window of failures', () => {
  let now = 0;
  let window: FailureWindow;
  beforeEach(() => {
    now = 0;
    window = new FailureWindow(() => now);
  });

  it('has had enough with the fifth failure in a row, and then begins anew', () => {
    for (let turn = 1; turn < 5; turn += 1) expect(window.failed('a')).toBeUndefined();
    expect(window.failed('a')).toEqual({ failures: 5, of: 5 });
    expect(window.failed('a')).toBeUndefined();
  });

  it('has had enough of one that fails every second time within ten failures, however well it did before: U8', () => {
    for (let turn = 0; turn < 1_000; turn += 1) window.succeeded('a');
    let failures = 0;
    for (;;) {
      window.succeeded('a');
      failures += 1;
      if (window.failed('a') !== undefined) break;
    }
    expect(failures).toBeLessThanOrEqual(10);
  });

  it('bears one failure in twenty for ever', () => {
    for (let turn = 0; turn < 2_000; turn += 1) {
      if (turn % 20 === 0) expect(window.failed('a')).toBeUndefined();
      else window.succeeded('a');
    }
  });

  it('forgets what is older than a minute', () => {
    for (let turn = 0; turn < 4; turn += 1) window.failed('a');
    now = 60_000;
    expect(window.failed('a')).toBeUndefined();
  });

  it('keeps accounts apart', () => {
    for (let turn = 0; turn < 4; turn += 1) window.failed('a');
    expect(window.failed('b')).toBeUndefined();
  });

  it('counts the last sixteen alone, of which the older ones are overwritten', () => {
    for (let turn = 0; turn < 4; turn += 1) window.failed('a');
    for (let turn = 0; turn < 12; turn += 1) window.succeeded('a');
    expect(window.failed('a')).toBeUndefined();
    window.succeeded('a');
    expect(window.failed('a')).toBeUndefined();
    for (let turn = 0; turn < 2; turn += 1) expect(window.failed('a')).toBeUndefined();
    expect(window.failed('a')).toEqual({ failures: 5, of: 16 });
  });

  it('remembers ten thousand names, and of more forgets the one that was used least recently', () => {
    for (const name of ['a', 'b']) for (let turn = 0; turn < 4; turn += 1) window.failed(name);
    now = 1;
    for (let count = 0; count < 9_998; count += 1) window.succeeded(`other ${count}`);
    now = 2;
    window.succeeded('a');
    window.succeeded('one too many');
    expect(window.failed('a')).toEqual({ failures: 5, of: 6 });
    expect(window.failed('b')).toBeUndefined();
  });
});
