import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { AdminApi } from '../admin/admin-api.decorator.ts';
import { Scheduler } from '../scheduler/scheduler.ts';
import { LedgerCheckDto } from './ledger-check.dto.ts';

@Controller('admin/v1/ledger')
@AdminApi('usage')
export class LedgerController {
  constructor(private readonly scheduler: Scheduler) {}

  @Get('check')
  @ApiOperation({
    operationId: 'checkLedger',
    summary: 'The proof that counters say what the open calls and the ledger come to',
  })
  @ApiOkResponse({ type: LedgerCheckDto, description: 'The proof, and what differs' })
  async check(): Promise<LedgerCheckDto> {
    const { differences, counters, openCalls } = await this.scheduler.checkCounters();
    return {
      proven: differences.length === 0,
      counters,
      openCalls,
      differences: differences.map(({ counter, id, counted, proven }) => ({ counter, id, counted, proven })),
    };
  }
}
