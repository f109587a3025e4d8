import { fieldProblems, tokenProblem } from '../upstream/credential-fields.ts';
import { withCredential } from '../upstream/credential-headers.ts';
import type { Credentials } from '../upstream/account.ts';
import type { FieldProblem, UpstreamRequest } from '../upstream/upstream.ts';
import type { AwsIdentities } from './aws-identities.ts';
import { type AwsKeys, signV4 } from './sigv4.ts';

/** It becomes a part of a host's name. */
const REGION = /^[a-z]{2,4}(-[a-z]{2,12}){1,3}-\d{1,2}$/;
const ROLE = /^arn:aws[a-z-]{0,16}:iam::\d{12}:role\/[\w+=,.@/-]{1,512}$/;
const PROFILE = /^[\w+=,.@:/-]{1,128}$/;
const PLAIN = /^[!-~]+(?: [!-~]+)*$/;

const matching =
  (pattern: RegExp, problem: string) =>
  (value: unknown): string | undefined =>
    typeof value === 'string' && pattern.test(value) ? undefined : problem;

const RULES = {
  region: matching(REGION, 'must be an AWS region, for example us-east-1'),
  apiKey: tokenProblem,
  accessKeyId: matching(/^[A-Za-z0-9_]{16,128}$/, 'must be an AWS access key id'),
  secretAccessKey: tokenProblem,
  sessionToken: tokenProblem,
  roleArn: matching(ROLE, 'must be the ARN of an IAM role'),
  profile: matching(PROFILE, 'must be the name of a profile in the AWS configuration files'),
};
/** The three ways to an identity; the fields of two of them do not stand together. */
const WAYS: readonly (readonly (keyof typeof RULES)[])[] = [
  ['apiKey'],
  ['accessKeyId', 'secretAccessKey', 'sessionToken'],
  ['roleArn', 'profile'],
];

export function checkBedrockCredentials(values: Readonly<Record<string, unknown>>): readonly FieldProblem[] {
  const has = (name: string): boolean => values[name] !== undefined;
  const given = Object.fromEntries(Object.entries(values).filter(([name]) => has(name)));
  const problems = fieldProblems(given, RULES);
  const refuse = (name: string, problem: string): void => {
    problems.push({ field: `credentials.${name}`, problem });
  };
  if (!has('region')) refuse('region', 'must be set');
  const [way, ...others] = WAYS.filter((names) => names.some(has));
  for (const name of others.flat().filter(has)) refuse(name, `must not stand beside ${way?.find(has)}`);
  if (way !== WAYS[1]) return problems;
  if (!has('accessKeyId')) refuse('accessKeyId', 'must be set with secretAccessKey');
  if (!has('secretAccessKey')) refuse('secretAccessKey', 'must be set with accessKeyId');
  return problems;
}

/** A Bedrock API key as a bearer token; else a signature by the account's own keys or by those found for it. */
export async function signBedrock(
  request: UpstreamRequest,
  credentials: Credentials,
  identities: AwsIdentities,
): Promise<Readonly<Record<string, string>>> {
  const { region, apiKey } = credentials.values;
  if (apiKey !== undefined) return withCredential(request.headers, 'authorization', `Bearer ${apiKey}`);
  if (region === undefined) throw new Error('A Bedrock account has no region');
  const keys = ownKeys(credentials) ?? (await identities.of(credentials));
  const headers = withCredential(signable(request.headers), 'authorization', '');
  return { ...headers, ...signV4({ ...request, headers }, keys, region, new Date()) };
}

/**
 * Of a type that is more than plain words the signature may not be what AWS makes of it, and a signature that is refused is
 * held against the account, not against the client that chose the type. The body is JSON whatever it says.
 */
function signable(headers: UpstreamRequest['headers']): UpstreamRequest['headers'] {
  const type = headers['content-type'];
  if (type === undefined || PLAIN.test(type)) return headers;
  return { ...headers, 'content-type': 'application/json' };
}

function ownKeys({ values }: Credentials): AwsKeys | undefined {
  const { accessKeyId, secretAccessKey, sessionToken } = values;
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined;
  return { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) };
}
