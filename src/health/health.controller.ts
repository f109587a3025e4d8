import { Controller, Get, Header, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiServiceUnavailableResponse, ApiTags } from '@nestjs/swagger';
import type { ServerResponse } from 'node:http';
import { Policy } from '../access/route-policy.ts';
import { HealthDto } from './health.dto.ts';
import { Readiness } from './readiness.ts';

@ApiTags('health')
@Controller('health')
export class HealthController {
  constructor(private readonly readiness: Readiness) {}

  @Get('live')
  @Policy('public')
  @Header('cache-control', 'no-store')
  @ApiOperation({ operationId: 'getLiveness', summary: 'The process answers' })
  @ApiOkResponse({ type: HealthDto, description: 'It does' })
  live(): HealthDto {
    return { status: 'ok' };
  }

  @Get('ready')
  @Policy('public')
  @Header('cache-control', 'no-store')
  @ApiOperation({ operationId: 'getReadiness', summary: 'Whether calls should be sent to this replica' })
  @ApiOkResponse({
    type: HealthDto,
    description: 'They should; `degraded`: the spool takes nothing just now',
  })
  @ApiServiceUnavailableResponse({ type: HealthDto, description: 'Draining, or admission is impossible' })
  ready(@Res({ passthrough: true }) response: ServerResponse): HealthDto {
    const status = this.readiness.state();
    response.statusCode = status === 'ready' || status === 'degraded' ? 200 : 503;
    return { status };
  }
}
