import { Controller, Get, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { AdminApi } from './admin-api.decorator.ts';
import { AuditPageDto } from './audit.dto.ts';
import { AuditRepository } from './audit.repository.ts';
import { decodeCursor, encodeCursor, MICROSECOND, pageOf, PageQuery, UUID } from './page.ts';

@Controller('admin/v1/audit')
@AdminApi('audit')
export class AuditController {
  constructor(private readonly audit: AuditRepository) {}

  @Get()
  @ApiOperation({ operationId: 'listAudit', summary: 'Who changed what and when, newest first' })
  @ApiOkResponse({ type: AuditPageDto, description: 'A page of changes' })
  async listAudit(@Query() query: PageQuery): Promise<AuditPageDto> {
    const rows = await this.audit.list(decodeCursor(query.cursor, MICROSECOND, UUID), query.limit + 1);
    return pageOf(
      rows,
      query.limit,
      (row) => encodeCursor(row.position, row.id),
      ({ position: _, at, ...entry }) => ({ ...entry, at: at.toISOString() }),
    );
  }
}
