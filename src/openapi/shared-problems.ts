import type { OpenAPIObject } from '@nestjs/swagger';
import { isDeepStrictEqual } from 'node:util';

type Paths = OpenAPIObject['paths'];
type Responses = NonNullable<NonNullable<OpenAPIObject['components']>['responses']>;

/** The problems that every administrators' route may answer, told once; those that differ stay where they are. */
export function shareProblems(paths: Paths): { readonly paths: Paths; readonly responses: Responses } {
  const shared: Responses = {};
  const responsesOf = (responses: Responses): Responses =>
    Object.fromEntries(
      Object.entries(responses).map(([status, response]) => {
        if (!('content' in response) || response.content?.['application/problem+json'] === undefined)
          return [status, response];
        const name = `Problem${status}`;
        shared[name] ??= response;
        const same = isDeepStrictEqual(shared[name], response);
        return [status, same ? { $ref: `#/components/responses/${name}` } : response];
      }),
    );
  const told = Object.fromEntries(
    Object.entries(paths).map(([path, item]) => [
      path,
      Object.fromEntries(
        Object.entries(item as Record<string, { responses: Responses }>).map(([method, operation]) => [
          method,
          { ...operation, responses: responsesOf(operation.responses) },
        ]),
      ),
    ]),
  );
  return { paths: told, responses: shared };
}
