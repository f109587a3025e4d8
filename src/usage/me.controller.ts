import { Controller, Get, Query, Req, Res, UseGuards, UsePipes } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { relayHeaders } from '../access/relay-headers.ts';
import { contextOf } from '../access/request-context.ts';
import { Policy } from '../access/route-policy.ts';
import { ApiProblems } from '../admin/admin-api.decorator.ts';
import { adminValidation } from '../admin/validation.ts';
import { ANY_DOOR, Door } from '../keys/door.decorator.ts';
import { ApiKeySecurity } from '../keys/key-security.ts';
import { callerOf, KeyGuard } from '../keys/key.guard.ts';
import { KeysService } from '../keys/keys.service.ts';
import { MeDto } from './me.dto.ts';
import { OwnUsageQuery, UsageReportDto } from './usage.dto.ts';
import { UsageReport } from './usage-report.ts';

/** What the holder of a key may know of it. */
@Controller('me')
@Policy('key')
@UseGuards(KeyGuard)
@Door(ANY_DOOR)
@UsePipes(adminValidation())
@ApiTags('me')
@ApiKeySecurity()
@ApiProblems(401, 500, 503)
export class MeController {
  constructor(
    private readonly keys: KeysService,
    private readonly report: UsageReport,
  ) {}

  @Get()
  @ApiOperation({ operationId: 'getMe', summary: 'This key, its limits and what is left of them' })
  @ApiOkResponse({ type: MeDto, description: 'The key of the request' })
  async getMe(@Req() request: Request, @Res({ passthrough: true }) response: Response): Promise<MeDto> {
    response.set(relayHeaders({ ...contextOf(request), attempts: 0, edits: [] }));
    const { key } = callerOf(request);
    const { own, teams } = await this.keys.standing(key.id);
    return {
      id: key.id,
      name: key.name,
      prefix: key.prefix,
      scopes: key.scopes,
      models: key.models,
      limits: own,
      teams,
      expiresAt: key.expiresAt?.toISOString() ?? null,
    };
  }

  @Get('usage')
  @ApiOperation({ operationId: 'getMyUsage', summary: 'Tokens and cost of this key, in groups' })
  @ApiOkResponse({ type: UsageReportDto, description: 'The report' })
  @ApiProblems(400)
  getMyUsage(
    @Query() query: OwnUsageQuery,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<UsageReportDto> {
    response.set(relayHeaders({ ...contextOf(request), attempts: 0, edits: [] }));
    return this.report.read(query, callerOf(request).key.id);
  }
}
