import { Body, Controller, Get, Post } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { AdminApi } from '../admin/admin-api.decorator.ts';
import { ExplainDto, ExplanationDto } from './explain.dto.ts';
import { Explanations } from './explanations.ts';
import { Overview } from './overview.ts';
import { SchedulerDto } from './overview.dto.ts';

@Controller('admin/v1/scheduler')
@AdminApi('scheduler')
export class SchedulerController {
  constructor(
    private readonly explanations: Explanations,
    private readonly overview: Overview,
  ) {}

  @Get()
  @ApiOperation({
    operationId: 'getScheduler',
    summary:
      'Open calls, replicas and accounts that rest, over all replicas; calls that wait on the one that answers',
  })
  @ApiOkResponse({
    type: SchedulerDto,
    description: 'What is held at this moment; `queue` is of this replica alone',
  })
  getScheduler(): Promise<SchedulerDto> {
    return this.overview.read();
  }

  @Post('explain')
  @ApiOperation({
    operationId: 'explainChoice',
    summary:
      'Which account would serve a call of a key at this moment, and why not the others; takes nothing',
  })
  @ApiCreatedResponse({ type: ExplanationDto, description: 'The choice' })
  explainChoice(@Body() question: ExplainDto): Promise<ExplanationDto> {
    return this.explanations.explain(question);
  }
}
