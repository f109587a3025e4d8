import { applyDecorators, UseGuards, UsePipes } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiExtraModels,
  ApiParam,
  ApiResponse,
  ApiTags,
  getSchemaPath,
} from '@nestjs/swagger';
import { Policy } from '../access/route-policy.ts';
import { AdminGuard } from './admin.guard.ts';
import { ProblemDto } from './problem.dto.ts';
import { adminValidation } from './validation.ts';

const PROBLEMS: Readonly<Record<number, string>> = {
  400: 'A field, a parameter, the path or the body is not valid; `errors` names each field at fault',
  401: 'No credential, or one that is not valid',
  403: 'A browser sent it for another site',
  404: 'There is nothing with this id',
  409: 'What is there does not allow it; `detail` says why',
  413: 'The body is larger than 1 MiB',
  415: 'The body is not UTF-8, or in an encoding that is not known',
  429: 'Too many wrong tokens came from this address',
  500: 'The relay failed',
  503: 'The database cannot be reached just now',
};

const requestId = {
  'x-relay-request-id': { description: 'As in the log', required: true, schema: { type: 'string' } },
} as const;
const retryAfter = {
  'retry-after': { description: 'Seconds to wait', required: true, schema: { type: 'string' } },
} as const;

/**
 * On a controller of `/admin/v1`: the `admin` policy with its guard, the validation, and how both are documented. A
 * body is read on every route, before anything else, so that every route may refuse one.
 */
export function AdminApi(tag: string): ClassDecorator {
  return applyDecorators(
    Policy('admin'),
    UseGuards(AdminGuard),
    UsePipes(adminValidation()),
    ApiTags(tag),
    ApiBearerAuth('admin'),
    ApiProblems(400, 401, 403, 413, 415, 429, 500, 503),
  );
}

/** On a route of one thing: the `id` in its path, and the 404 for one that is not there. */
export function ApiById(): MethodDecorator {
  return applyDecorators(
    ApiParam({ name: 'id', description: 'A UUID', schema: { type: 'string', format: 'uuid' } }),
    ApiProblems(404),
  );
}

/** Documents the statuses that are answered with a problem. */
export function ApiProblems(...statuses: readonly number[]): ClassDecorator & MethodDecorator {
  const content = { 'application/problem+json': { schema: { $ref: getSchemaPath(ProblemDto) } } };
  return applyDecorators(
    ApiExtraModels(ProblemDto),
    ...statuses.map((status) =>
      ApiResponse({
        status,
        description: PROBLEMS[status] ?? '',
        headers: { ...requestId, ...(status === 429 || status === 503 ? retryAfter : {}) },
        content,
      }),
    ),
  );
}
