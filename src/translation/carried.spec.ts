import { CARRIED_PREFIX } from '../dialects/carried-prefix.ts';
import {
  type Carried,
  isCarried,
  packCarried,
  packSignature,
  packToolId,
  unpackCarried,
  unpackSignature,
  unpackToolId,
} from './carried.ts';

const HARD = 'naïve — 思考 🤔 "quoted" \\ >?~\x7f\n\u2028 \ud800 <&>';

const CARRIED: readonly Carried[] = [
  { kind: 'thinking', text: HARD, signature: { minted: 'anthropic', value: 'EqQBCkYI/+=' } },
  { kind: 'thinking', text: '' },
  { kind: 'redacted', data: { minted: 'bedrock', value: 'c2VjcmV0' } },
  { kind: 'call', signature: { minted: 'google', value: 'CiEBjz1r+/==' } },
  { kind: 'call', signature: { minted: 'openai', value: HARD } },
];

describe('What clients carry for the relay', () => {
  it('comes back as it was, in an id and in the place of a signature', () => {
    expect(unpackToolId(packToolId('toolu_01', CARRIED))).toEqual({ id: 'toolu_01', carried: CARRIED });
    expect(unpackCarried(packCarried(CARRIED))).toEqual(CARRIED);
    expect(unpackCarried(packCarried([]))).toEqual([]);
  });

  it('is made of letters and digits, whatever it carries', () => {
    for (let length = 0; length < 200; length += 1) {
      const text = String.fromCharCode(...Array.from({ length }, (_, i) => (i * 37 + length * 101) % 0x3000));
      const packed = packCarried([{ kind: 'thinking', text }]);
      expect(packed).toMatch(/^rlsig001[A-Za-z0-9]+$/);
      expect(unpackCarried(packed)).toEqual([{ kind: 'thinking', text }]);
    }
  });

  it('is the same base64 by every alphabet and padding that SDKs decode and encode bytes with', () => {
    const packed = packCarried(CARRIED);
    expect(packed.length % 4).toBe(0);
    for (const alphabet of ['base64', 'base64url'] as const) {
      expect(Buffer.from(packed, alphabet).toString(alphabet)).toBe(packed);
    }
  });

  it('leaves an id alone that has nothing to carry', () => {
    expect(packToolId('call_1', [])).toBe('call_1');
    expect(unpackToolId('call_1')).toEqual({ id: 'call_1', carried: [] });
  });

  it("passes a vendor's own signature as it is, and packs a foreign one", () => {
    const signature = { minted: 'google', value: 'AbC+/=' } as const;
    expect(packSignature(signature, 'google')).toBe('AbC+/=');
    expect(unpackSignature('AbC+/=', 'google')).toEqual(signature);
    const packed = packSignature(signature, 'anthropic');
    expect(isCarried(packed)).toBe(true);
    expect(unpackSignature(packed, 'anthropic')).toEqual(signature);
  });

  it.each([
    ['cut short', packCarried(CARRIED).slice(0, 40)],
    ['not base64', `${CARRIED_PREFIX}%%%`],
    ['another thing', CARRIED_PREFIX + Buffer.from('{"a":1}').toString('base64')],
    ['of a kind that is not known', CARRIED_PREFIX + Buffer.from('["z","g","x"]').toString('base64')],
    ['nothing', CARRIED_PREFIX],
  ])('is no signature when it is %s', (_, value) => {
    expect(unpackSignature(value, 'google')).toBeUndefined();
    expect(unpackCarried(value)).toBeUndefined();
    expect(unpackToolId(value)).toEqual({ id: value, carried: [] });
  });

  it('drops only the rows it cannot read', () => {
    const rows = '["c",["t","kept"],["t",7],["c","?","x"],["r","a"],"s",null,["c","g","seal"]]';
    expect(unpackCarried(CARRIED_PREFIX + Buffer.from(rows).toString('base64'))).toEqual([
      { kind: 'thinking', text: 'kept' },
      { kind: 'call', signature: { minted: 'google', value: 'seal' } },
    ]);
  });
});
