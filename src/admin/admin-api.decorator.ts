import { applyDecorators, UseGuards, UsePipes } from '@nestjs/common';
import { ApiBearerAuth, ApiExtraModels, ApiResponse, ApiTags, getSchemaPath } from '@nestjs/swagger';
import { STATUS_CODES } from 'node:http';
import { Policy } from '../access/route-policy.ts';
import { AdminGuard } from './admin.guard.ts';
import { ProblemDto } from './problem.dto.ts';
import { adminValidation } from './validation.ts';

/** On a controller of `/admin/v1`: the `admin` policy with its guard, the validation, and how both are documented. */
export function AdminApi(tag: string): ClassDecorator {
  return applyDecorators(
    Policy('admin'),
    UseGuards(AdminGuard),
    UsePipes(adminValidation()),
    ApiTags(tag),
    ApiBearerAuth('admin'),
    ApiProblems(401, 403, 429, 500, 503),
  );
}

/** Documents the statuses that are answered with a problem. */
export function ApiProblems(...statuses: readonly number[]): ClassDecorator & MethodDecorator {
  const content = { 'application/problem+json': { schema: { $ref: getSchemaPath(ProblemDto) } } };
  return applyDecorators(
    ApiExtraModels(ProblemDto),
    ...statuses.map((status) => ApiResponse({ status, description: STATUS_CODES[status] ?? '', content })),
  );
}
