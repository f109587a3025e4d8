import { Injectable } from '@nestjs/common';
import { AccountsService } from '../accounts/accounts.service.ts';
import { Scheduler } from '../scheduler/scheduler.ts';
import type { ReplicaState } from '../scheduler/sql/overview.ts';
import type { ReplicaDto, SchedulerDto, WaitingCallsDto } from './overview.dto.ts';

const MOST_GROUPS = 500;
const MOST_LINES = 500;
const MOST_ACCOUNTS = 500;

/** What is held at this moment, each part in a snapshot of its own. */
@Injectable()
export class Overview {
  constructor(
    private readonly scheduler: Scheduler,
    private readonly accounts: AccountsService,
  ) {}

  async read(): Promise<SchedulerDto> {
    const [leases, queue, replicas, resting] = await Promise.all([
      this.scheduler.survey.leases(MOST_GROUPS),
      this.queue(),
      this.scheduler.survey.replicas(),
      this.accounts.atRest(MOST_ACCOUNTS),
    ]);
    return {
      leases: {
        calls: leases.calls,
        groups: leases.groups.map(({ keyId, keyName, accountId, accountName, ...group }) => ({
          key: { id: keyId, name: keyName },
          account: { id: accountId, name: accountName },
          ...group,
        })),
      },
      queue,
      replicas: replicas.map(shownReplica),
      cooldowns: resting.map(({ id, name, kind, enabled, cooldowns }) => ({
        account: { id, name },
        kind,
        enabled,
        cooldowns: [...cooldowns],
      })),
    };
  }

  private async queue(): Promise<WaitingCallsDto[]> {
    const lines = this.scheduler.waiting().sort((a, b) => b.calls - a.calls);
    const shown = lines.slice(0, MOST_LINES);
    if (shown.length === 0) return [];
    const names = await this.scheduler.survey.keyNames(shown.map(({ keyId }) => keyId));
    return shown.map(({ keyId, ...line }) => ({
      key: { id: keyId, name: names.get(keyId) ?? null },
      ...line,
    }));
  }
}

function shownReplica({ startedAt, lastBeatAt, endedAt, ...replica }: ReplicaState): ReplicaDto {
  return {
    epoch: replica.epoch,
    host: replica.host,
    state: replica.state,
    self: replica.self,
    startedAt: startedAt.toISOString(),
    lastBeatAt: lastBeatAt.toISOString(),
    endedAt: endedAt?.toISOString() ?? null,
    calls: replica.calls,
  };
}
