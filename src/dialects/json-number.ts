/**
 * The states inside a JSON number, and what each byte makes of them. They are counted on from the other states of the
 * machine that uses them.
 */
export const MINUS = 13;
export const ZERO = 14;
export const WHOLE = 15;
const POINT = 16;
const FRACTION = 17;
const EXPONENT = 18;
const SIGN = 19;
const POWER = 20;
/** The number is whole and ended before this byte. */
export const ENDS = 21;
/** This byte cannot stand here. */
export const WRONG = 22;

export function nextInNumber(state: number, b: number): number {
  return b >= 0x30 && b <= 0x39 ? afterDigit(state, b) : afterMark(state, b);
}

function afterDigit(state: number, digit: number): number {
  switch (state) {
    case MINUS:
      return digit === 0x30 ? ZERO : WHOLE;
    case ZERO:
      return WRONG;
    case POINT:
      return FRACTION;
    case EXPONENT:
    case SIGN:
      return POWER;
    default:
      return state;
  }
}

function afterMark(state: number, b: number): number {
  if (b === 0x2e) return state === ZERO || state === WHOLE ? POINT : WRONG;
  if (b === 0x65 || b === 0x45) {
    return state === ZERO || state === WHOLE || state === FRACTION ? EXPONENT : WRONG;
  }
  if (b === 0x2b || b === 0x2d) return state === EXPONENT ? SIGN : WRONG;
  return state === ZERO || state === WHOLE || state === FRACTION || state === POWER ? ENDS : WRONG;
}
