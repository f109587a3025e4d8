/** Money is whole nano-dollars (1e-9 USD) in `bigint`; outside it is a decimal string in USD. No floats between. */

const DECIMAL = /^(\d{1,9})(?:\.(\d{1,9}))?$/;

/** Nano-dollars of a decimal string such as `3`, `0.30`, `0.000000001`; undefined when it is not one. */
export function parseUsd(text: string): bigint | undefined {
  const match = DECIMAL.exec(text);
  if (match === null) return undefined;
  return BigInt(match[1]!) * 1_000_000_000n + BigInt((match[2] ?? '').padEnd(9, '0'));
}

/** At least two decimals, at most nine, nothing rounded: `3.00`, `0.0000125`. */
export function formatUsd(nanos: bigint): string {
  const digits = nanos.toString().padStart(10, '0');
  const cents = digits.slice(-9).replace(/0+$/, '').padEnd(2, '0');
  return `${digits.slice(0, -9)}.${cents}`;
}
