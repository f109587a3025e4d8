import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { AdminApi, ApiById } from '../admin/admin-api.decorator.ts';
import { IdPipe } from '../admin/id.pipe.ts';
import { decodeCursor, encodeCursor, pageOf, UUID } from '../admin/page.ts';
import { ProblemError } from '../errors/problem-error.ts';
import { UpstreamRegistry } from '../upstream/upstream-registry.ts';
import { restQuestions } from './choice-moments.ts';
import { DecidedRequestDto } from './decision.dto.ts';
import { accountsIn, withDecisions } from './decision-view.ts';
import { LedgerRepository } from './ledger.repository.ts';
import { viewRequests } from './request-view.ts';
import { RequestPageDto, RequestsQuery } from './requests.dto.ts';
import { withSuperseded } from './superseded-view.ts';
import { rangeOf } from './time-range.ts';

@Controller('admin/v1/requests')
@AdminApi('usage')
export class RequestsController {
  constructor(
    private readonly ledger: LedgerRepository,
    private readonly registry: UpstreamRegistry,
  ) {}

  @Get()
  @ApiOperation({ operationId: 'listRequests', summary: 'The ledger, newest first; open calls too' })
  @ApiOkResponse({ type: RequestPageDto, description: 'A page of calls' })
  async listRequests(@Query() query: RequestsQuery): Promise<RequestPageDto> {
    const [before] = decodeCursor(query.cursor, UUID) ?? [];
    const range = rangeOf(query, new Date());
    const filter = {
      keyId: query.key,
      accountId: query.account,
      model: query.model,
      outcome: query.outcome,
    };
    const found = await this.ledger.requestIds(range, filter, before, query.limit + 1);
    const { items, nextCursor } = pageOf(
      found,
      query.limit,
      (id) => encodeCursor(id),
      (id) => id,
    );
    return { items: viewRequests(await this.ledger.attempts(items)), nextCursor };
  }

  @Get(':id')
  @ApiOperation({
    operationId: 'getRequest',
    summary: 'One call, its attempts, how their accounts were chosen, and what was corrected',
    description:
      'A call without an attempt (`x-relay-attempts: 0`) is not in the ledger, and not found here. Where it was read and ' +
      'refused admission, the log has its id and the reason (`call refused`), and `POST /admin/v1/scheduler/explain` ' +
      'says how such a call would be placed now.',
  })
  @ApiOkResponse({ type: DecidedRequestDto, description: 'The call' })
  @ApiById()
  async getRequest(@Param('id', IdPipe) id: string): Promise<DecidedRequestDto> {
    const [request] = viewRequests(await this.ledger.attempts([id]));
    if (request === undefined) throw ProblemError.of(404, 'There is nothing with this id');
    const [decisions, before] = [await this.ledger.decisions(id), await this.ledger.superseded(id)];
    const lore = {
      accounts: await this.ledger.accountNames(accountsIn(decisions)),
      rests: await this.ledger.rests(restQuestions(request.attempts, decisions)),
      tellsHeadroom: (kind: string) => this.registry.get(kind)?.headroom !== undefined,
    };
    return {
      ...request,
      attempts: withSuperseded(withDecisions(request.attempts, decisions, lore), before),
    };
  }
}
