import { CallError } from '../dialects/dialect.ts';
import { checkModelName } from '../dialects/model-name.ts';
import { ProblemError } from '../errors/problem-error.ts';
import type { AddressPolicy } from '../upstream/address-policy.ts';
import type { FieldProblem, Upstream } from '../upstream/upstream.ts';

/** What an administrator may save on an account; each check answers the fields that are wrong, none = fine. */

const MOST_MODELS = 500;
const MOST_CREDENTIAL_FIELDS = 16;
const MOST_CREDENTIAL_CHARACTERS = 16_384;
const PATTERN = /^[A-Za-z0-9._:@,/*-]{1,256}$/;

/** @throws ProblemError 400 naming the fields, when there is any problem */
export function refuse(problems: readonly FieldProblem[]): void {
  if (problems.length > 0) throw ProblemError.fields(problems);
}

export function checkModelPolicy(models: unknown): readonly FieldProblem[] {
  if (models === undefined || models === null) return [];
  if (!isRecord(models))
    return [{ field: 'models', problem: 'must be an object with allow and map, or null' }];
  const unknown = Object.keys(models).filter((name) => name !== 'allow' && name !== 'map');
  return [
    ...unknown.map((name) => ({
      field: `models.${shown(name)}`,
      problem: 'is not a field of a model policy',
    })),
    ...checkAllow(models.allow),
    ...checkMap(models.map),
  ];
}

function checkAllow(allow: unknown): readonly FieldProblem[] {
  if (allow === undefined) return [];
  if (!Array.isArray(allow) || allow.length > MOST_MODELS) {
    return [{ field: 'models.allow', problem: `must be a list of at most ${MOST_MODELS} patterns` }];
  }
  return allow.flatMap((pattern: unknown, index) =>
    typeof pattern === 'string' && PATTERN.test(pattern)
      ? []
      : [
          {
            field: `models.allow.${index}`,
            problem: 'must be 1 to 256 letters, digits and . _ : @ , / - with * for any run of characters',
          },
        ],
  );
}

function checkMap(map: unknown): readonly FieldProblem[] {
  if (map === undefined) return [];
  if (!isRecord(map) || Object.keys(map).length > MOST_MODELS) {
    return [{ field: 'models.map', problem: `must be an object of at most ${MOST_MODELS} names` }];
  }
  return Object.entries(map).flatMap(([name, upstreamName]) => [
    ...checkName(name, `models.map.${shown(name)}`),
    ...checkName(upstreamName, `models.map.${shown(name)}`),
  ]);
}

function checkName(name: unknown, field: string): readonly FieldProblem[] {
  try {
    checkModelName(name, 'name');
    return [];
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    return [{ field, problem: error.message.replace(/^name: /, '') }];
  }
}

/** A name as it may stand in an error: short, and nothing but what a field name is made of. */
function shown(name: string): string {
  return name.slice(0, 64).replace(/[^A-Za-z0-9._:@,/-]/g, '?');
}

/** The shape that every kind shares, then what the kind itself says, then the addresses the relay would call. */
export function checkCredentials(
  upstream: Upstream,
  values: Readonly<Record<string, unknown>>,
  policy: AddressPolicy,
): readonly FieldProblem[] {
  const entries = Object.entries(values);
  if (entries.length > MOST_CREDENTIAL_FIELDS) {
    return [{ field: 'credentials', problem: `must have at most ${MOST_CREDENTIAL_FIELDS} fields` }];
  }
  const shape = entries.flatMap(([name, value]) => {
    const problem = credentialTextProblem(value);
    return problem === undefined ? [] : [{ field: `credentials.${shown(name)}`, problem }];
  });
  if (shape.length > 0) return shape;
  const own = upstream.checkCredentials(values);
  if (own.length > 0) return own;
  return (upstream.credentialUrls ?? []).flatMap((name) => {
    const url = values[name];
    const problem = typeof url === 'string' ? policy.checkBaseUrl(url) : undefined;
    return problem === undefined ? [] : [{ field: `credentials.${name}`, problem }];
  });
}

/** Credentials become header values: printable ASCII, or a line break would make a header of its own. */
function credentialTextProblem(value: unknown): string | undefined {
  if (typeof value !== 'string') return 'must be a string';
  if (value.length === 0) return 'must not be empty';
  if (value.length > MOST_CREDENTIAL_CHARACTERS) {
    return `must have at most ${MOST_CREDENTIAL_CHARACTERS} characters`;
  }
  return /^[\x20-\x7e]+$/.test(value) ? undefined : 'must hold printable ASCII characters only';
}

export function checkBaseUrl(
  upstream: Upstream,
  baseUrl: string | null,
  policy: AddressPolicy,
): readonly FieldProblem[] {
  if (baseUrl === null) {
    return upstream.defaultBaseUrl === undefined
      ? [{ field: 'baseUrl', problem: `must be set: the kind ${upstream.kind} has no origin of its own` }]
      : [];
  }
  const problem = policy.checkBaseUrl(baseUrl);
  return problem === undefined ? [] : [{ field: 'baseUrl', problem }];
}

/**
 * An edit that moves an account to another origin must bring the credential for it. Otherwise whoever may edit
 * accounts, but was never told a credential, could have it sent to a server of his own.
 */
export function checkOrigin(
  upstream: Upstream,
  before: string | null,
  after: string | null,
  withCredentials: boolean,
): readonly FieldProblem[] {
  const moved = originOf(upstream, before) !== originOf(upstream, after);
  if (!moved || withCredentials) return [];
  return [
    {
      field: 'credentials',
      problem:
        'must be given again when baseUrl moves to another origin; the stored ones stay where they belong',
    },
  ];
}

function originOf(upstream: Upstream, baseUrl: string | null): string | undefined {
  const url = baseUrl ?? upstream.defaultBaseUrl;
  // What it depends on is a part of the credentials, which cannot change without being given again.
  if (typeof url === 'function') return upstream.kind;
  return url === undefined || !URL.canParse(url) ? undefined : new URL(url).origin;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
