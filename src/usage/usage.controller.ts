import { Controller, Get, Header, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProduces } from '@nestjs/swagger';
import { AdminApi } from '../admin/admin-api.decorator.ts';
import { UsageQuery, UsageReportDto } from './usage.dto.ts';
import { UsageReport } from './usage-report.ts';

@Controller('admin/v1')
@AdminApi('usage')
export class UsageController {
  constructor(private readonly report: UsageReport) {}

  @Get('usage')
  @ApiOperation({ operationId: 'getUsage', summary: 'Tokens and cost of settled attempts, in groups' })
  @ApiOkResponse({ type: UsageReportDto, description: 'The report' })
  getUsage(@Query() query: UsageQuery): Promise<UsageReportDto> {
    return this.report.read(query);
  }

  @Get('usage.csv')
  @Header('content-type', 'text/csv; charset=utf-8; header=present')
  @Header('content-disposition', 'attachment; filename="usage.csv"')
  @ApiOperation({ operationId: 'getUsageCsv', summary: 'The same report for a spreadsheet' })
  @ApiProduces('text/csv')
  @ApiOkResponse({
    description: 'RFC 4180, with a head',
    content: { 'text/csv': { schema: { type: 'string' } } },
  })
  getUsageCsv(@Query() query: UsageQuery): Promise<string> {
    return this.report.readCsv(query);
  }
}
