import { NO_USAGE } from '../../src/dialects/dialect.ts';
import type { Scheduler } from '../../src/scheduler/scheduler.ts';
import { settleBatch } from '../../src/scheduler/sql/settle-batch.ts';
import { HotPool } from '../../src/database/hot-pool.ts';
import { expectQuiet } from '../support/quiet.ts';
import { ask, eventually, leased, SchedulingRig, settlement } from '../support/scheduling.ts';

describe('settlement', () => {
  let rig: SchedulingRig;
  let scheduler: Scheduler;
  let key: string;
  let account: string;

  beforeAll(async () => {
    rig = await SchedulingRig.create();
    scheduler = await rig.replica();
    [key, account] = [await rig.key(), await rig.account({ max: 200 })];
  });
  afterEach(() => expectQuiet(rig.url));
  afterAll(() => rig.end());

  const take = async () => leased(await scheduler.admit(ask(key, [account])));
  const ledger = (requestId: string) =>
    rig.query('select * from ledger where request_id = $1 order by attempt', [requestId]);

  it('writes every field to the ledger and gives the places back', async () => {
    const lease = await take();
    await scheduler.settle(
      settlement(lease, {
        outcome: 'partial',
        status: 529,
        reason: 'idle-timeout',
        usage: {
          inputTokens: 1,
          cacheReadTokens: 2,
          cacheWrite5mTokens: 3,
          cacheWrite1hTokens: 4,
          outputTokens: Number.MAX_SAFE_INTEGER,
          reasoningTokens: 6,
          serverTools: { web_search_requests: 2 },
        },
        estimated: true,
        suspicious: true,
        costNanos: 2n ** 62n,
        priceId: '77',
        clientRequestId: 'a "quoted", {braced} \\ one\nline é😀',
        decision: { affinity: { source: 'metadata', result: 'spill' } },
      }),
    );
    expect(await ledger(lease.requestId)).toEqual([
      {
        request_id: lease.requestId,
        attempt: 1,
        revision: 0,
        admitted_at: lease.admittedAt,
        settled_at: expect.any(Date) as unknown,
        epoch: lease.epoch,
        key_id: key,
        account_id: account,
        lane: 'generate',
        door: 'claude',
        kind: 'claude',
        model: 'claude-sonnet-4-5',
        upstream_model: 'claude-sonnet-4-5',
        stream: true,
        outcome: 'partial',
        status: 529,
        reason: 'idle-timeout',
        input_tokens: '1',
        cache_read_tokens: '2',
        cache_write_5m_tokens: '3',
        cache_write_1h_tokens: '4',
        output_tokens: '9007199254740991',
        reasoning_tokens: '6',
        server_tools: { web_search_requests: 2 },
        estimated: true,
        suspicious: true,
        cost_nanos: '4611686018427387904',
        price_id: '77',
        first_byte_ms: 12,
        duration_ms: 41,
        teams: [],
        charged_nanos: null,
        upstream_request_id: 'req_1',
        client_request_id: 'a "quoted", {braced} \\ one\nline é😀',
        decision: { affinity: { source: 'metadata', result: 'spill' } },
      },
    ]);
  });

  it('counts once however often it is sent, at once or later', async () => {
    const lease = await take();
    const other = await take();
    await Promise.all([scheduler.settle(settlement(lease)), scheduler.settle(settlement(lease))]);
    await scheduler.settle(settlement(lease, { usage: NO_USAGE, costNanos: 0n }));
    expect(await ledger(lease.requestId)).toEqual([expect.objectContaining({ input_tokens: '10' })]);
    expect(await rig.inUseByAccount([account])).toEqual(new Map([[account, 1]]));
    await scheduler.settle(settlement(other));
  });

  it('D9: does not need the open row: charged, nothing given back', async () => {
    const lease = await take();
    const kept = await take();
    await rig.query(
      `with gone as (delete from open_calls where request_id = $1 returning key_id, account_id),
      k as (update key_state set in_use = in_use - 1 from gone where id = key_id)
      update account_state set in_use = in_use - 1 from gone where id = account_id`,
      [lease.requestId],
    );
    await scheduler.settle(settlement(lease));
    expect(await ledger(lease.requestId)).toHaveLength(1);
    expect(await rig.inUseByKey([key])).toEqual(new Map([[key, { inUse: 1, counting: 0 }]]));
    await scheduler.settle(settlement(kept));
  });

  it('settles two hundred at a time in batches, of both lanes and many accounts', async () => {
    const accounts = [account, await rig.account({ max: 200 }), await rig.account({ max: 200 })];
    const keys = [key, ...(await Promise.all(Array.from({ length: 8 }, () => rig.key())))];
    await Promise.all(
      Array.from({ length: 200 }, async (_, index) => {
        const lane = index % 4 === 0 ? 'count' : 'generate';
        const request = ask(keys[index % keys.length] ?? '', accounts, { lane });
        await scheduler.settle(settlement(leased(await scheduler.admit(request)), { lane }));
      }),
    );
    const [row] = await rig.query<{ n: number }>(
      `select count(*)::integer as n from ledger where key_id = any ($1::uuid[]) and lane = 'count'`,
      [keys],
    );
    expect(row?.n).toBe(50);
  });

  it('is one row when two replicas settle the same attempts at the same moment', async () => {
    const leases = await Promise.all(Array.from({ length: 40 }, take));
    const pools = [1, 2, 3].map(
      () => new HotPool({ url: rig.url, name: 'rival', max: 1, synchronousCommit: 'on' }),
    );
    const settlements = leases.map((lease) => settlement(lease));
    const done = await Promise.all(
      pools.map((pool, index) => settleBatch(pool, index === 1 ? settlements.toReversed() : settlements)),
    );
    expect(done.reduce((sum, { written }) => sum + written, 0)).toBe(40);
    expect(done.reduce((sum, { released }) => sum + released, 0)).toBe(40);
    await Promise.all(pools.map((pool) => pool.close()));
  });

  it('writes a row that the ledger cannot hold without its figures, and its neighbours whole', async () => {
    const [bad, good] = [await take(), await take()];
    await Promise.all([
      scheduler.settle(settlement(bad, { upstreamRequestId: 'nul \0 inside' })),
      scheduler.settle(settlement(good)),
    ]);
    expect(await ledger(good.requestId)).toEqual([expect.objectContaining({ outcome: 'completed' })]);
    expect(await ledger(bad.requestId)).toEqual([
      expect.objectContaining({
        outcome: 'unknown',
        reason: 'unsettleable',
        estimated: true,
        input_tokens: '0',
        cost_nanos: null,
      }),
    ]);
  });

  it('gives places back even where not a single field can be written', async () => {
    const impatient = await rig.replica({ clocks: { heartbeatMs: 50, epochTtlMs: 10_000, sweepMs: 20 } });
    const lease = leased(await impatient.admit(ask(key, [account])));
    await expect(impatient.settle(settlement(lease, { door: 'nul \0' }))).rejects.toThrow();
    await eventually(async () => (await rig.inUseByAccount([account])).get(account) === 0);
  });

  it('flushes what is collected at once', async () => {
    const lease = await take();
    void scheduler.settle(settlement(lease));
    await scheduler.flush();
    expect(await ledger(lease.requestId)).toHaveLength(1);
  });

  it('lets the next call of a client in whose last one is not settled yet', async () => {
    const [narrow, single] = [await rig.key({ max: 1 }), await rig.account({ max: 1 })];
    for (let turn = 0; turn < 10; turn += 1) {
      const lease = leased(await scheduler.admit(ask(narrow, [single])));
      void scheduler.settle(settlement(lease));
    }
    await scheduler.flush();
  });

  it('refuses at once while nothing is on its way back', async () => {
    const [narrow, single] = [await rig.key({ max: 1 }), await rig.account({ max: 1 })];
    const lease = leased(await scheduler.admit(ask(narrow, [single])));
    expect(await scheduler.admit(ask(narrow, [single]))).toEqual({ admitted: false, refusal: 'key-full' });
    expect(await scheduler.admit(ask(key, [single]))).toEqual({ admitted: false, refusal: 'accounts-full' });
    await scheduler.settle(settlement(lease));
  });
});
