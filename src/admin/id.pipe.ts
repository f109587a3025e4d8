import { Injectable, type PipeTransform } from '@nestjs/common';
import { ProblemError } from '../errors/problem-error.ts';
import { UUID } from './page.ts';

/** For `:id` in a path: what is no UUID names nothing, so it is 404 like an id that is not there. */
@Injectable()
export class IdPipe implements PipeTransform<string, string> {
  transform(value: string): string {
    const id = value.toLowerCase();
    if (!UUID.test(id)) throw ProblemError.of(404, 'There is nothing with this id');
    return id;
  }
}
