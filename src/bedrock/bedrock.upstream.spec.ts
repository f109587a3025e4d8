import type { Call } from '../dialects/dialect.ts';
import type { Account } from '../upstream/account.ts';
import type { AwsIdentities } from './aws-identities.ts';
import { bedrockUpstream } from './bedrock.upstream.ts';

const bedrock = bedrockUpstream({} as AwsIdentities);
const account = (more: Partial<Account> = {}): Account => ({
  id: 'a',
  version: 1n,
  name: 'a',
  kind: 'bedrock',
  baseUrl: null,
  priority: 50,
  weight: 1,
  maxConcurrency: 0,
  models: null,
  groups: [],
  onClientLeave: 'cancel',
  enabled: true,
  credentialsVersion: 1,
  settings: { region: 'eu-west-1' },
  ...more,
});
const ID = 'eu.anthropic.claude-haiku-4-5-20251001-v1:0';
const ARN = 'arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/a1b2';

const address = (dialect: string, operation: string, framing: string, model = ID, at = account()): string =>
  bedrock.address({ dialect, operation, framing } as Call, at, model).href;

describe('where a call goes at Bedrock', () => {
  it.each([
    ['anthropic', 'generate', 'json', 'invoke'],
    ['anthropic', 'generate', 'sse', 'invoke-with-response-stream'],
    ['anthropic', 'count', 'json', 'count-tokens'],
    ['bedrock-invoke', 'generate', 'json', 'invoke'],
    ['bedrock-invoke', 'generate', 'event-stream', 'invoke-with-response-stream'],
    ['bedrock-converse', 'generate', 'json', 'converse'],
    ['bedrock-converse', 'generate', 'event-stream', 'converse-stream'],
    ['bedrock-converse', 'count', 'json', 'count-tokens'],
  ])('%s %s %s: %s', (dialect, operation, framing, path) => {
    expect(address(dialect, operation, framing)).toBe(
      `https://bedrock-runtime.eu-west-1.amazonaws.com/model/eu.anthropic.claude-haiku-4-5-20251001-v1%3A0/${path}`,
    );
  });

  it('has an ARN as one segment, below the account’s own base', () => {
    const at = account({ baseUrl: 'https://gateway.example.com/aws/' });
    expect(address('anthropic', 'generate', 'json', ARN, at)).toBe(
      `https://gateway.example.com/aws/model/${encodeURIComponent(ARN)}/invoke`,
    );
  });

  it('has no place for embeddings, and none without a region', () => {
    expect(() => address('openai', 'embed', 'json')).toThrow('no embed');
    expect(() => address('anthropic', 'generate', 'json', ID, account({ settings: {} }))).toThrow(
      'no region',
    );
  });
});

describe('what Bedrock speaks', () => {
  it.each([
    ['claude-haiku-4-5', ID, ['anthropic', 'bedrock-invoke', 'bedrock-converse']],
    ['claude-team', ARN, ['anthropic', 'bedrock-invoke', 'bedrock-converse']],
    ['team', ID, ['anthropic', 'bedrock-invoke', 'bedrock-converse']],
    ['claude-cheap', 'amazon.nova-lite-v1:0', ['bedrock-converse']],
    [ARN, ARN, ['bedrock-converse', 'bedrock-invoke']],
  ])('for %s as %s', (model, upstreamModel, dialects) => {
    expect(bedrock.speaks(model, upstreamModel)).toEqual(dialects);
  });

  it('is left as it is where the client speaks it itself', () => {
    const call = { dialect: 'bedrock-converse', operation: 'generate', framing: 'json' } as Call;
    const answer = { status: 200, headers: {}, body: undefined as never };
    expect(bedrock.envelope!(call, account(), ID)).toBeUndefined();
    expect(bedrock.decode!(call, answer)).toBe(answer);
  });
});

describe('the test request of a Bedrock account', () => {
  it('is one token by Converse, of the account’s own model where it names one', () => {
    const usual = bedrock.probe(account());
    expect(usual.url.pathname).toBe('/model/eu.anthropic.claude-haiku-4-5-20251001-v1%3A0/converse');
    const named = bedrock.probe(account({ models: { allow: ['amazon.nova-lite-v1:0'] } }));
    expect(named.url.pathname).toBe('/model/amazon.nova-lite-v1%3A0/converse');
  });
});
