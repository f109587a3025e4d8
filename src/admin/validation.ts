import { ValidationPipe } from '@nestjs/common';
import * as classTransformer from 'class-transformer';
import * as classValidator from 'class-validator';
import type { ValidationError } from 'class-validator';
import { type FieldProblem, ProblemError } from '../errors/problem-error.ts';

/**
 * Bodies and queries of the REST: only declared fields, each checked. A field that is unknown, or not enforced by this
 * build, is refused by name. Set on controllers, never globally: relay routes have no pipes.
 */
export function adminValidation(): ValidationPipe {
  return new ValidationPipe({
    // Nest would import both by itself, and what is imported so has no names where it was joined to one file.
    validatorPackage: classValidator,
    transformerPackage: classTransformer,
    transform: true,
    whitelist: true,
    forbidNonWhitelisted: true,
    forbidUnknownValues: true,
    stopAtFirstError: true,
    validationError: { target: false, value: false },
    exceptionFactory: (errors) => ProblemError.fields(flatten(errors)),
  });
}

function flatten(errors: readonly ValidationError[], path = ''): FieldProblem[] {
  return errors.flatMap(({ property, constraints, children }) => {
    const field = path === '' ? property : `${path}.${property}`;
    const own = Object.entries(constraints ?? {}).map(([rule, message]) => ({
      field,
      problem:
        rule === 'whitelistValidation'
          ? 'is not a field that this build knows and enforces'
          : withoutName(message, property),
    }));
    return own.concat(flatten(children ?? [], field));
  });
}

/** class-validator begins its sentences with the property, which stands in `field` already. */
function withoutName(message: string, property: string): string {
  return message.startsWith(`${property} `) ? message.slice(property.length + 1) : message;
}
