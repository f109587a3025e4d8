import type { AdmissionRequest, Candidate } from './admission.ts';
import { decodeAnswer, encodeBatch } from './admission-batch.ts';

const candidate = (accountId: string, version = 1n, tier = 0): Candidate => ({
  accountId,
  version,
  tier,
  modelFamily: 'm',
});

function request(requestId: string, keyId: string, candidates: readonly Candidate[]): AdmissionRequest {
  return {
    requestId,
    keyId,
    keyVersion: 7n,
    lane: 'generate',
    door: 'claude',
    model: 'm-1',
    candidates,
    kindOf: (id) => `kind of ${id}`,
  };
}

const batch = { keys: ['k'], accounts: ['a', 'b'] };

describe('a batch on the wire', () => {
  it('sends keys and accounts once, sorted, and candidate sets once for each array', () => {
    const shared = [candidate('b', 2n), candidate('a', 3n, 1)];
    const { values, accounts } = encodeBatch([
      request('r1', 'k2', shared),
      {
        ...request('r2', 'k1', shared),
        preferredAccountId: 'a',
        hold: { nanos: 5n, tokens: 6, unpriced: new Set(['b', 'c']) },
      },
      request('r3', 'k2', []),
      { ...request('r4', 'k2', [candidate('c')]), preferredAccountId: 'elsewhere', session: 's' },
    ]);
    expect(accounts).toEqual(['a', 'b', 'c']);
    expect(values).toEqual([
      '{k1,k2}',
      '{a,b,c}',
      '{"kind of a","kind of b","kind of c"}',
      '{"m"}',
      '{1,3,3}',
      '{2,2,3}',
      '{2,1,3}',
      '{2,3,1}',
      '{0,1,0}',
      '{1,1,1}',
      '{false,true,true}',
      '{r1,r2,r3,r4}',
      '{2,1,2,2}',
      '{7,7,7,7}',
      '{false,false,false,false}',
      '{1,1,2,3}',
      '{"claude","claude","claude","claude"}',
      '{"m-1","m-1","m-1","m-1"}',
      '{0,1,0,0}',
      '{0,5,0,0}',
      '{0,6,0,0}',
      '{NULL,NULL,NULL,s}',
      null,
      null,
    ]);
    const named = { ...request('r1', 'k', []), clientRequestId: 'his, "own"' };
    expect(encodeBatch([named, request('r2', 'k', [])]).values.at(-2)).toBe('{"his, \\"own\\"",NULL}');
  });

  it('reads leases, refusals and waits in the order of the requests', () => {
    const requests = [request('r1', 'k', []), request('r2', 'k', []), request('r3', 'k', [])];
    expect(decodeAnswer('1700000000123456;2,-5,-2;0,1500001,0;', requests, batch, 'e')).toEqual([
      {
        admitted: true,
        lease: {
          requestId: 'r1',
          attempt: 1,
          epoch: 'e',
          keyId: 'k',
          accountId: 'b',
          teams: [],
          admittedAt: new Date(1700000000123),
        },
      },
      { admitted: false, refusal: 'accounts-cooling', retryAfterMs: 1501 },
      { admitted: false, refusal: 'key-full' },
    ]);
  });

  it('reads the teams of each key', () => {
    const requests = [request('r1', 'k', []), request('r2', 'l', []), request('r3', 'm', [])];
    const keys = ['k', 'l', 'm'];
    const decisions = decodeAnswer('1;1,1,1;;{t,u}|{}|{t}', requests, { ...batch, keys }, 'e') ?? [];
    expect(decisions.map((one) => 'lease' in one && one.lease.teams)).toEqual([['t', 'u'], [], ['t']]);
  });

  it('reads the accounts that sessions are bound to', () => {
    const requests = [request('r1', 'k', []), request('r2', 'k', []), request('r3', 'k', [])];
    const decisions = decodeAnswer('1;1,1,1;;;;a,,-b', requests, batch, 'e') ?? [];
    expect(decisions.map((one) => 'lease' in one && one.bound)).toEqual([
      { accountId: 'a', isParked: false },
      undefined,
      { accountId: 'b', isParked: true },
    ]);
  });

  it('tells of sessions that are bound to none of a short list, and asks for that only where one is short', () => {
    const requests = [request('r1', 'k', []), { ...request('r2', 'k', []), isShort: true }];
    expect(encodeBatch(requests).values.at(-1)).toBe('{false,true}');
    expect(decodeAnswer('1;1,-14;;;;,z', requests, batch, 'e')).toEqual([
      expect.objectContaining({ admitted: true }),
      { boundTo: 'z' },
    ]);
  });

  it.each([
    [-8, 'requests-rate'],
    [-9, 'tokens-rate'],
  ])('tells the wait of a rate, %s', (code, refusal) => {
    expect(decodeAnswer(`1;${code};2500000;`, [request('r', 'k', [])], batch, 'e')).toEqual([
      { admitted: false, refusal, retryAfterMs: 2500 },
    ]);
  });

  it('tells an epoch that may not admit from an answer', () => {
    expect(decodeAnswer('epoch', [request('r', 'k', [])], batch, 'e')).toBeUndefined();
  });

  it('does not guess at an answer of another shape', () => {
    expect(() => decodeAnswer('1;1,1;', [request('r', 'k', [])], batch, 'e')).toThrow('number of requests');
    expect(() => decodeAnswer('1;-15;', [request('r', 'k', [])], batch, 'e')).toThrow('unknown code');
    expect(() => decodeAnswer('1;3;', [request('r', 'k', [])], batch, 'e')).toThrow('unknown code');
  });
});
