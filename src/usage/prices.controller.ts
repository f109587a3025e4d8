import { Body, Controller, Get, Param, Post, Put, Query, Req } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiParam } from '@nestjs/swagger';
import type { Request } from 'express';
import { AdminApi } from '../admin/admin-api.decorator.ts';
import { actorOf } from '../admin/admin.guard.ts';
import { decodeCursor, encodeCursor, pageOf } from '../admin/page.ts';
import { viewPrice } from './price-view.ts';
import { PriceDto, PricePageDto, PricesQuery, PutPriceDto, RepricedDto, RepriceDto } from './prices.dto.ts';
import { PricesService } from './prices.service.ts';
import { Repricing } from './repricing.ts';
import { rangeOf } from './time-range.ts';

const ROW_ID = /^[1-9]\d{0,17}$/;

@Controller('admin/v1/prices')
@AdminApi('prices')
export class PricesController {
  constructor(
    private readonly prices: PricesService,
    private readonly repricing: Repricing,
  ) {}

  @Get()
  @ApiOperation({
    operationId: 'listPrices',
    summary: 'Every price there was, is and will be, last written first',
  })
  @ApiOkResponse({ type: PricePageDto, description: 'A page of prices' })
  async listPrices(@Query() query: PricesQuery): Promise<PricePageDto> {
    const [before] = decodeCursor(query.cursor, ROW_ID) ?? [];
    const rows = await this.prices.list(query, before, query.limit + 1);
    return pageOf(rows, query.limit, (row) => encodeCursor(row.id), viewPrice);
  }

  @Put(':model')
  @ApiParam({
    name: 'model',
    description: 'The model as the upstream names it',
    schema: { type: 'string' },
    example: 'claude-sonnet-4-5',
  })
  @ApiOperation({
    operationId: 'putPrice',
    summary: 'Price a model from a time on',
    description:
      'Adds a row and changes none: costs in the ledger stay. A model serves its releases too (dated names, -latest), and an administrator’s price goes before a seeded one.',
  })
  @ApiOkResponse({ type: PriceDto, description: 'The price, as it was added' })
  async putPrice(
    @Param('model') model: string,
    @Body() body: PutPriceDto,
    @Req() request: Request,
  ): Promise<PriceDto> {
    return viewPrice(await this.prices.put(model, body, actorOf(request)));
  }

  @Post('reprice')
  @ApiOperation({ operationId: 'reprice', summary: 'Give a cost to attempts of a range that have none' })
  @ApiCreatedResponse({ type: RepricedDto, description: 'What became of the range' })
  reprice(@Body() body: RepriceDto, @Req() request: Request): Promise<RepricedDto> {
    return this.repricing.run(rangeOf(body, new Date()), actorOf(request));
  }
}
