import { jest } from '@jest/globals';
import { Pace } from './pace.ts';

describe('the pace of a line', () => {
  beforeEach(() => {
    jest.useFakeTimers({ now: 0 });
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  const letIn = (pace: Pace, calls: number): void => {
    for (let call = 0; call < calls; call += 1) pace.letIn();
  };

  it('is not known before one window is over', () => {
    const pace = new Pace(1_000);
    letIn(pace, 3);
    jest.advanceTimersByTime(999);
    expect(pace.lately()).toBeUndefined();
    jest.advanceTimersByTime(1);
    expect(pace.lately()).toBe(3);
  });

  it('counts the window before and the one that is running', () => {
    const pace = new Pace(1_000);
    letIn(pace, 3);
    jest.advanceTimersByTime(1_000);
    letIn(pace, 5);
    expect(pace.lately()).toBe(8);
    jest.advanceTimersByTime(1_000);
    expect(pace.lately()).toBe(5);
  });

  it('is nothing after a whole window in which nobody was let in', () => {
    const pace = new Pace(1_000);
    letIn(pace, 3);
    jest.advanceTimersByTime(2_500);
    expect(pace.lately()).toBe(0);
    letIn(pace, 1);
    jest.advanceTimersByTime(500);
    expect(pace.lately()).toBe(1);
  });
});
