import { NO_USAGE } from '../dialects/dialect.ts';
import type { Settlement } from './settlement.ts';
import { settlementOfText, textOfSettlement } from './settlement-text.ts';

const SETTLEMENT: Settlement = {
  requestId: '019a0000-0000-7000-8000-000000000000',
  attempt: 2,
  final: false,
  epoch: '019a0000-0000-7000-8000-000000000001',
  keyId: '019a0000-0000-7000-8000-000000000002',
  accountId: '019a0000-0000-7000-8000-000000000003',
  teams: ['019a0000-0000-7000-8000-000000000004', '019a0000-0000-7000-8000-000000000005'],
  lane: 'generate',
  door: 'claude',
  kind: 'claude',
  model: 'claude-sonnet-4-5',
  upstreamModel: 'claude-sonnet-4-5-20250929',
  stream: true,
  admittedAt: new Date('2026-01-02T03:04:05.678Z'),
  outcome: 'partial',
  status: 200,
  reason: 'idle-timeout',
  usage: { ...NO_USAGE, inputTokens: 1, outputTokens: 2 ** 53 - 1, serverTools: { web_search_requests: 2 } },
  estimated: true,
  suspicious: false,
  costNanos: 2n ** 62n,
  priceId: '77',
  chargedNanos: 900n,
  firstByteMs: 12,
  durationMs: 3456,
  upstreamRequestId: 'req_1',
  clientRequestId: 'a "quoted"\nline é😀',
  decision: { affinity: { source: 'metadata', result: 'hit' } },
};

describe('a settlement as text', () => {
  it('comes back as it went', () => {
    expect(settlementOfText(textOfSettlement(SETTLEMENT))).toEqual(SETTLEMENT);
    const unpriced = { ...SETTLEMENT, costNanos: null, priceId: null, teams: [], decision: null };
    expect(settlementOfText(textOfSettlement(unpriced))).toEqual(unpriced);
  });

  it('of an older build has no teams, or no decision, or no charge', () => {
    const older = (fields: number): string =>
      JSON.stringify((JSON.parse(textOfSettlement(SETTLEMENT)) as unknown[]).slice(0, fields));
    const before = { ...SETTLEMENT, chargedNanos: null };
    expect(settlementOfText(older(31))).toEqual({ ...before, teams: [], decision: null });
    expect(settlementOfText(older(32))).toEqual({ ...before, decision: null });
    expect(settlementOfText(older(33))).toEqual(before);
  });

  it('says what a checkpoint says', () => {
    const stage = { final: true, outcome: 'partial', reason: 'replica-lost', estimated: true } as const;
    expect(settlementOfText(textOfSettlement(SETTLEMENT, stage))).toEqual({ ...SETTLEMENT, ...stage });
  });

  it('of an attempt that nothing was seen of costs what its call holds', () => {
    const stage = { final: true, outcome: 'orphaned', reason: null, estimated: true } as const;
    const read = (more: object) => settlementOfText(textOfSettlement({ ...SETTLEMENT, ...more }, stage));
    expect(read({ costNanos: 0n, heldNanos: 60n })).toMatchObject({ costNanos: 60n, outcome: 'orphaned' });
    for (const heldNanos of [null, undefined])
      expect(read({ costNanos: 0n, heldNanos })).toMatchObject({ costNanos: 0n });
    expect(settlementOfText(textOfSettlement({ ...SETTLEMENT, heldNanos: 60n }))).toEqual(SETTLEMENT);
  });

  const fields = JSON.parse(textOfSettlement(SETTLEMENT)) as unknown[];
  const short = JSON.stringify(fields.slice(0, 30));
  const nameless = JSON.stringify([null, ...fields.slice(1)]);
  it.each(['', 'no JSON', 'null', '[]', '{}', short, nameless])('is none: %s', (text) => {
    expect(settlementOfText(text)).toBeUndefined();
  });
});
