import { formatUsd, parseUsd } from './money.ts';

describe('money', () => {
  it('reads decimal dollars exactly', () => {
    expect(parseUsd('3')).toBe(3_000_000_000n);
    expect(parseUsd('0.30')).toBe(300_000_000n);
    expect(parseUsd('0.000000001')).toBe(1n);
    expect(parseUsd('999999999.999999999')).toBe(999_999_999_999_999_999n);
    expect(parseUsd('0')).toBe(0n);
  });

  it('refuses what is not a plain decimal', () => {
    for (const bad of [
      '',
      '-1',
      '+1',
      '1e3',
      '1,5',
      '.5',
      '5.',
      '0.0000000001',
      ' 1',
      '1 ',
      '１',
      '0x1',
      'NaN',
    ]) {
      expect(parseUsd(bad)).toBeUndefined();
    }
  });

  it('writes at least cents and loses nothing', () => {
    expect(formatUsd(0n)).toBe('0.00');
    expect(formatUsd(1n)).toBe('0.000000001');
    expect(formatUsd(12_500n)).toBe('0.0000125');
    expect(formatUsd(3_000_000_000n)).toBe('3.00');
    expect(formatUsd(1_234_567_890_120_000_000n)).toBe('1234567890.12');
    for (const nanos of [0n, 7n, 1_000_000_000n, 999_999_999_999_999_999n]) {
      expect(parseUsd(formatUsd(nanos))).toBe(nanos);
    }
  });
});
