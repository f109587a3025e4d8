import { randomBytes } from 'node:crypto';
import { generateKeyRingText, parseKeyRing, seal, SealBroken, unseal, type SealedPlace } from './sealing.ts';

const PLACE: SealedPlace = { table: 'account_credentials', column: 'sealed', row: 'row-1', version: 3 };
const SECRET = Buffer.from('{"apiKey":"sk-very-secret"}');

function text(id: string): string {
  return generateKeyRingText(id);
}

describe('sealing', () => {
  it('opens what it sealed, in the same place only', () => {
    const ring = parseKeyRing(text('a'));
    const sealed = seal(ring, PLACE, SECRET);
    expect(sealed.keyId).toBe('a');
    expect(sealed.bytes.includes('secret')).toBe(false);
    expect(unseal(ring, PLACE, sealed).equals(SECRET)).toBe(true);
    for (const moved of [
      { ...PLACE, table: 'other' },
      { ...PLACE, column: 'other' },
      { ...PLACE, row: 'row-2' },
      { ...PLACE, version: 4 },
    ]) {
      expect(() => unseal(ring, moved, sealed)).toThrow(SealBroken);
    }
  });

  it('never makes the same bytes twice', () => {
    const ring = parseKeyRing(text('a'));
    expect(seal(ring, PLACE, SECRET).bytes.equals(seal(ring, PLACE, SECRET).bytes)).toBe(false);
  });

  it('refuses a value with any one bit changed, cut short or empty', () => {
    const ring = parseKeyRing(text('a'));
    const { keyId, bytes } = seal(ring, PLACE, SECRET);
    for (let at = 0; at < bytes.length; at += 1) {
      const altered = Buffer.from(bytes);
      altered[at] = (altered[at] ?? 0) ^ 1;
      expect(() => unseal(ring, PLACE, { keyId, bytes: altered })).toThrow(SealBroken);
      expect(() => unseal(ring, PLACE, { keyId, bytes: bytes.subarray(0, at) })).toThrow(SealBroken);
    }
  });

  it('opens old values under an older key of the ring and seals new ones under the newest', () => {
    const [older, newer] = [text('older'), text('newer')];
    const sealed = seal(parseKeyRing(older), PLACE, SECRET);
    const both = parseKeyRing(`${newer},${older}`);
    expect(unseal(both, PLACE, sealed).equals(SECRET)).toBe(true);
    expect(seal(both, PLACE, SECRET).keyId).toBe('newer');
    expect(() => unseal(parseKeyRing(newer), PLACE, sealed)).toThrow('does not hold the key older');
  });

  it('refuses another key under the same id, and a key id changed in the record', () => {
    const sealed = seal(parseKeyRing(text('a')), PLACE, SECRET);
    expect(() => unseal(parseKeyRing(text('a')), PLACE, sealed)).toThrow(SealBroken);
    const ring = parseKeyRing(`${text('a')},${text('b')}`);
    expect(() => unseal(ring, PLACE, { ...seal(ring, PLACE, SECRET), keyId: 'b' })).toThrow(SealBroken);
  });
});

describe('the setting of encryption keys', () => {
  const good = randomBytes(32).toString('base64');

  it.each([
    ['empty', '', 'at least one'],
    ['without an id', good, 'entry 1'],
    ['with a bad id', `a b:${good}`, 'entry 1'],
    ['short', `a:${randomBytes(31).toString('base64')}`, 'exactly 32 bytes'],
    ['long', `a:${randomBytes(33).toString('base64')}`, 'exactly 32 bytes'],
    ['not base64', `a:${'!'.repeat(44)}`, 'exactly 32 bytes'],
    ['all zero', `a:${Buffer.alloc(32).toString('base64')}`, 'placeholder'],
    ['one byte repeated', `a:${Buffer.alloc(32, 'x').toString('base64')}`, 'placeholder'],
    ['a repeated word', `a:${Buffer.from('changeme'.repeat(4)).toString('base64')}`, 'placeholder'],
    ['a sentence', `a:${Buffer.from('The quick brown fox jumps over l').toString('base64')}`, 'placeholder'],
    ['with an id twice', `a:${good},a:${randomBytes(32).toString('base64')}`, 'entry 2 repeats the id'],
    ['with a key twice', `a:${good},b:${good}`, 'entry 2 repeats the key'],
  ])('is refused when %s, naming the setting and no value', (_case, value, problem) => {
    let message = '';
    try {
      parseKeyRing(value);
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message).toContain('RELAY_ENCRYPTION_KEYS');
    expect(message).toContain(problem);
    for (const part of value.split(/[:,]/)) if (part.length > 8) expect(message).not.toContain(part);
  });

  it('takes several pairs with spaces around them, the first being the newest', () => {
    const ring = parseKeyRing(` ${text('2027')} , ${text('2026')} `);
    expect(ring.newest).toBe('2027');
    expect([...ring.keys.keys()]).toEqual(['2027', '2026']);
  });
});
