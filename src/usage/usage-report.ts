import { Injectable } from '@nestjs/common';
import { formatUsd } from '../database/money.ts';
import { ProblemError } from '../errors/problem-error.ts';
import { toCsv } from './csv.ts';
import type { Dimension, UsageRow } from './ledger-row.ts';
import { rangeOf } from './time-range.ts';
import { UsageSumsRepository } from './usage-sums.repository.ts';
import type { UsageItemDto, UsageReportDto } from './usage.dto.ts';

/** More rows than a person reads; beyond it the range or the dimensions are to be narrowed. */
const MOST_ROWS = 10_000;

const SUMS = [
  'requests',
  'attempts',
  'inputTokens',
  'cacheReadTokens',
  'cacheWrite5mTokens',
  'cacheWrite1hTokens',
  'outputTokens',
  'reasoningTokens',
  'costUsd',
  'unpriced',
  'estimated',
  'cacheHitRate',
  'spilled',
  'spillCostUsd',
] as const satisfies readonly (keyof UsageItemDto)[];

export interface UsageQuestion {
  readonly from?: string;
  readonly to?: string;
  readonly groupBy: readonly Dimension[];
}

@Injectable()
export class UsageReport {
  constructor(private readonly sums: UsageSumsRepository) {}

  /** For one key, or for all. @throws ProblemError naming the field */
  async read(query: UsageQuestion, keyId?: string): Promise<UsageReportDto> {
    const range = rangeOf(query, new Date());
    const rows = await this.sums.usage(range, query.groupBy, keyId, MOST_ROWS + 1);
    if (rows.length > MOST_ROWS) {
      const problem = `makes more than ${MOST_ROWS} rows; ask for fewer dimensions or a shorter range`;
      throw ProblemError.fields([{ field: 'groupBy', problem }]);
    }
    return {
      from: range.from.toISOString(),
      to: range.to.toISOString(),
      groupBy: query.groupBy,
      items: rows.map(shown),
    };
  }

  async readCsv(query: UsageQuestion): Promise<string> {
    const { groupBy, items } = await this.read(query);
    const dimensions = groupBy.flatMap((name) =>
      name === 'key' || name === 'account' ? [`${name}Id`, `${name}Name`] : [name],
    );
    const rows = items.map(({ key, account, ...rest }) => ({
      ...rest,
      ...(key && { keyId: key.id, keyName: key.name }),
      ...(account && { accountId: account.id, accountName: account.name }),
    }));
    return toCsv([...dimensions, ...SUMS], rows);
  }
}

/** To four digits; null without input. */
function cacheHitRate(row: UsageRow): number | null {
  const read = Number(row.cacheReadTokens);
  const all =
    read + Number(row.inputTokens) + Number(row.cacheWrite5mTokens) + Number(row.cacheWrite1hTokens);
  return all === 0 ? null : Math.round((read / all) * 10_000) / 10_000;
}

function shown(row: UsageRow): UsageItemDto {
  const { keyId, keyName, accountId, accountName, costNanos, spillCostNanos, ...rest } = row;
  return {
    ...(keyId !== undefined && { key: { id: keyId, name: keyName ?? null } }),
    ...(accountId !== undefined && { account: { id: accountId, name: accountName ?? null } }),
    ...rest,
    requests: Number(row.requests),
    attempts: Number(row.attempts),
    inputTokens: Number(row.inputTokens),
    cacheReadTokens: Number(row.cacheReadTokens),
    cacheWrite5mTokens: Number(row.cacheWrite5mTokens),
    cacheWrite1hTokens: Number(row.cacheWrite1hTokens),
    outputTokens: Number(row.outputTokens),
    reasoningTokens: Number(row.reasoningTokens),
    costUsd: formatUsd(BigInt(costNanos)),
    unpriced: Number(row.unpriced),
    estimated: Number(row.estimated),
    cacheHitRate: cacheHitRate(row),
    spilled: Number(row.spilled),
    spillCostUsd: formatUsd(BigInt(spillCostNanos)),
  };
}
