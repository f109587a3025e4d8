import type { UpstreamRequest } from '../upstream/upstream.ts';
import type { AwsIdentities } from './aws-identities.ts';
import { checkBedrockCredentials, signBedrock } from './bedrock.credentials.ts';

const region = 'us-east-1';
const ids = { accessKeyId: 'AKIASIM0000000000001', secretAccessKey: 'simulator-secret-AKIASIM0000000000001' };
const role = 'arn:aws:iam::123456789012:role/path/relay';
const fields = (values: Record<string, unknown>) =>
  checkBedrockCredentials(values).map(({ field }) => field.replace('credentials.', ''));

describe("a Bedrock account's credentials", () => {
  it.each([
    [{ region, apiKey: 'bedrock-api-key-sim-1' }],
    [{ region, ...ids }],
    [{ region, ...ids, sessionToken: 'sim-session-1' }],
    [{ region }],
    [{ region, roleArn: role }],
    [{ region: 'us-gov-west-1', roleArn: role, profile: 'team' }],
  ])('may be %j', (values) => {
    expect(fields(values)).toEqual([]);
  });

  it.each([
    [{ apiKey: 'k' }, ['region']],
    [{ region: 'us-east-1.evil.example', apiKey: 'k' }, ['region']],
    [{ region: 'US-EAST-1' }, ['region']],
    [{ region: 'us-east-1/x' }, ['region']],
    [{ region, apiKey: 'k', ...ids }, ['accessKeyId', 'secretAccessKey']],
    [{ region, apiKey: 'k', profile: 'p' }, ['profile']],
    [{ region, ...ids, roleArn: role }, ['roleArn']],
    [{ region, accessKeyId: ids.accessKeyId }, ['secretAccessKey']],
    [{ region, secretAccessKey: 's' }, ['accessKeyId']],
    [{ region, sessionToken: 's' }, ['accessKeyId', 'secretAccessKey']],
    [{ region, roleArn: 'arn:aws:iam::1:user/x' }, ['roleArn']],
    [{ region, profile: 'a\nb' }, ['profile']],
    [{ region, endpoint: 'https://x' }, ['endpoint']],
    [{ region, apiKey: 'a b' }, ['apiKey']],
  ])('may not be %j', (values, problems) => {
    expect(fields(values)).toEqual(problems);
  });

  it('never repeats a secret in a problem', () => {
    const problems = checkBedrockCredentials({
      region,
      accessKeyId: 'x',
      secretAccessKey: 'very secret text',
    });
    expect(JSON.stringify(problems)).not.toContain('very secret');
  });
});

describe('signing for Bedrock', () => {
  const request: UpstreamRequest = {
    method: 'POST',
    url: new URL('https://bedrock-runtime.us-east-1.amazonaws.com/model/m/invoke'),
    headers: {
      'content-type': 'application/json',
      'x-api-key': 'rk_theirs',
      'x-amz-security-token': 'theirs',
    },
    body: Buffer.from('{}'),
  };
  const found = { of: () => Promise.resolve({ ...ids, sessionToken: 'found' }) } as unknown as AwsIdentities;
  const none = { of: () => Promise.reject(new Error('not to be asked')) } as unknown as AwsIdentities;
  const sign = (values: Record<string, string>, identities = none) =>
    signBedrock(request, { version: 1, values: { region, ...values } }, identities);

  it('takes an API key as a bearer token, and leaves no other credential', async () => {
    expect(await sign({ apiKey: 'bedrock-api-key-sim-1' })).toEqual({
      'content-type': 'application/json',
      authorization: 'Bearer bedrock-api-key-sim-1',
    });
  });

  it('signs with the account’s own keys, and with those found for it', async () => {
    const own = await sign(ids);
    expect(own['authorization']).toMatch(
      /^AWS4-HMAC-SHA256 Credential=AKIASIM0000000000001\/\d{8}\/us-east-1\/bedrock\/aws4_request, /,
    );
    expect(own).not.toHaveProperty('x-amz-security-token');
    expect(own).not.toHaveProperty('x-api-key');
    expect((await sign({ ...ids, sessionToken: 'own' }))['x-amz-security-token']).toBe('own');
    expect((await sign({}, found))['x-amz-security-token']).toBe('found');
  });

  it.each([
    ['application/json; charset=utf-8', 'application/json; charset=utf-8'],
    ['application/json; a="é"', 'application/json'],
    ['application/json\xa0', 'application/json'],
    ['application/json;  a=b', 'application/json'],
    ['application/json\t', 'application/json'],
    ['', 'application/json'],
  ])('sends a type whose canonical form has one reading: %j as %j', async (type, sent) => {
    const asked = { ...request, headers: { 'content-type': type } };
    const signed = await signBedrock(asked, { version: 1, values: { region, ...ids } }, none);
    expect(signed['content-type']).toBe(sent);
    expect(signed['authorization']).toContain('SignedHeaders=content-type;host;');
  });
});
