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
});
