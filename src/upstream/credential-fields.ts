import type { FieldProblem } from './upstream.ts';

type Values = Readonly<Record<string, unknown>>;

/** Tokens travel in a header: visible ASCII without spaces, so neither a line end nor a second field fits in. */
const TOKEN = /^[\x21-\x7e]{1,8192}$/;

/** The problem with a credential that is sent in a header, in words that do not repeat it. */
export function tokenProblem(value: unknown): string | undefined {
  if (typeof value !== 'string' || value === '') return 'must be a non-empty text';
  return TOKEN.test(value) ? undefined : 'must be visible ASCII without spaces, at most 8192 characters';
}

export function timeProblem(value: unknown): string | undefined {
  if (
    typeof value === 'string' &&
    /^\d{4}-\d\d-\d\dT\d\d:\d\d/.test(value) &&
    !Number.isNaN(Date.parse(value))
  ) {
    return undefined;
  }
  return 'must be an ISO 8601 time';
}

/** Shape only; whether the relay may go there is asked of the address policy when the account is saved. */
export function urlProblem(value: unknown): string | undefined {
  if (typeof value !== 'string' || !URL.canParse(value)) return 'must be an absolute URL';
  return /^https?:$/.test(new URL(value).protocol) ? undefined : 'must begin with https://';
}

/**
 * Checks the given fields by their rules and refuses every other field. Absent fields are not problems here.
 * Fields are named as they stand in the account: `credentials.apiKey`.
 */
export function fieldProblems(
  values: Values,
  rules: Readonly<Record<string, (value: unknown) => string | undefined>>,
): FieldProblem[] {
  const problems: FieldProblem[] = [];
  for (const [name, value] of Object.entries(values)) {
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
    const problem = rule === undefined ? 'is not a credential of this kind of account' : rule(value);
    if (problem !== undefined) problems.push({ field: `credentials.${name}`, problem });
  }
  return problems;
}
