import 'reflect-metadata';
import { Type } from 'class-transformer';
import { IsArray, IsInt, IsObject, IsString, ValidateNested } from 'class-validator';
import { ProblemError } from '../errors/problem-error.ts';
import { MayBeAbsent } from './optional-field.ts';
import { adminValidation } from './validation.ts';

class Inner {
  @MayBeAbsent()
  @IsInt()
  concurrency?: number;
}

class Outer {
  @IsString()
  name!: string;

  @MayBeAbsent()
  @IsObject()
  @ValidateNested()
  @Type(() => Inner)
  limits?: Inner;

  @MayBeAbsent()
  @IsArray()
  @IsString({ each: true })
  tags?: string[];
}

async function problems(body: unknown): Promise<unknown> {
  try {
    await adminValidation().transform(body, { type: 'body', metatype: Outer });
    return [];
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    expect(error.status).toBe(400);
    return error.fields.map(({ field, problem }) => `${field}: ${problem}`);
  }
}

describe('the validation of REST bodies', () => {
  it('lets a right body through', async () => {
    expect(await problems({ name: 'a', limits: { concurrency: 1 }, tags: ['x'] })).toEqual([]);
  });

  it('names each wrong field once, nested ones by their path', async () => {
    expect(await problems({ limits: { concurrency: '1' }, tags: 'x' })).toEqual([
      'name: must be a string',
      'limits.concurrency: must be an integer number',
      expect.stringMatching(/^tags: /),
    ]);
  });

  it('refuses fields that are not enforced, at every depth', async () => {
    expect(await problems({ name: 'a', team: 't', limits: { requestsPerMinute: 5 } })).toEqual([
      'team: is not a field that this build knows and enforces',
      'limits.requestsPerMinute: is not a field that this build knows and enforces',
    ]);
  });

  it('does not take null, an array or a number for an object or for an absent field', async () => {
    expect(await problems({ name: null })).toEqual(['name: must be a string']);
    for (const limits of [[], 5, null, 'x']) {
      expect(await problems({ name: 'a', limits })).toEqual([expect.stringMatching(/^limits: /)]);
    }
  });

  it('refuses a body that is no object, and leaves prototypes alone', async () => {
    expect(await problems(undefined)).toEqual(['name: must be a string']);
    for (const body of [[], 'x', 5, [{ name: 'a' }]]) expect(await problems(body)).not.toEqual([]);
    await problems(JSON.parse('{"name":"a","__proto__":{"polluted":1},"constructor":{"prototype":{"x":1}}}'));
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});
