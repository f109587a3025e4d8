import { v7 } from 'uuid';
import { requestIdBounds, requestIdFloor, timeOfRequestId } from './request-id.ts';

describe('request ids and time', () => {
  it('reads the millisecond back that an id was made in', () => {
    const at = Date.UTC(2026, 1, 28, 23, 59, 59, 999);
    expect(timeOfRequestId(v7({ msecs: at })).getTime()).toBe(at);
  });

  it('refuses other versions and text that is not a UUID', () => {
    expect(() => timeOfRequestId('6fa459ea-ee8a-4ca4-894e-db77e160355e')).toThrow('version 7');
    expect(() => timeOfRequestId("' or 1=1")).toThrow('version 7');
  });

  it('gives a floor that no id of its millisecond is below, and every earlier id is', () => {
    const at = Date.UTC(2026, 0, 1);
    expect(requestIdFloor(new Date(at))).toBe('019b76da-a800-0000-0000-000000000000');
    expect(v7({ msecs: at }) > requestIdFloor(new Date(at))).toBe(true);
    expect(v7({ msecs: at - 1 }) < requestIdFloor(new Date(at))).toBe(true);
  });

  it('stays a UUID outside of the range of 48 bits', () => {
    expect(requestIdFloor(new Date(-1))).toBe('00000000-0000-0000-0000-000000000000');
    expect(requestIdFloor(new Date(2 ** 48 + 1))).toBe('ffffffff-ffff-0000-0000-000000000000');
  });

  it('widens a range by an hour on either side', () => {
    const from = Date.UTC(2026, 5, 1);
    const to = Date.UTC(2026, 6, 1);
    const bounds = requestIdBounds(new Date(from), new Date(to));
    expect(bounds.from < v7({ msecs: from - 3_599_000 })).toBe(true);
    expect(bounds.from > v7({ msecs: from - 3_601_000 })).toBe(true);
    expect(bounds.to > v7({ msecs: to + 3_599_000 })).toBe(true);
    expect(bounds.to < v7({ msecs: to + 3_601_000 })).toBe(true);
  });
});
