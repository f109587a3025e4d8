import { Controller, Get, Res, UseGuards } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiNotFoundResponse,
  ApiOkResponse,
  ApiOperation,
  ApiProduces,
  ApiTags,
  ApiUnauthorizedResponse,
  getSchemaPath,
} from '@nestjs/swagger';
import type { ServerResponse } from 'node:http';
import { Policy } from '../access/route-policy.ts';
import { MetricsGuard } from './metrics.guard.ts';
import { Scrape } from './scrape.ts';

/** As every refusal outside of the doors; described with the administrators' routes. */
const PROBLEM = { 'application/problem+json': { schema: { $ref: getSchemaPath('ProblemDto') } } };

@ApiTags('health')
@Controller()
export class MetricsController {
  constructor(private readonly scrape: Scrape) {}

  @Get('metrics')
  @Policy('metrics')
  @UseGuards(MetricsGuard)
  @ApiBearerAuth('metrics')
  @ApiOperation({
    operationId: 'getMetrics',
    summary: 'Prometheus metrics of this process, or of all workers behind this port',
  })
  @ApiProduces('text/plain')
  @ApiOkResponse({ description: 'Prometheus text format 0.0.4', schema: { type: 'string' } })
  @ApiUnauthorizedResponse({ description: 'The metrics token is missing or wrong', content: PROBLEM })
  @ApiNotFoundResponse({ description: 'No metrics token is configured', content: PROBLEM })
  async read(@Res() response: ServerResponse): Promise<void> {
    const text = await this.scrape.text();
    response.setHeader('content-type', this.scrape.contentType);
    response.end(text);
  }
}
