import { readBedrockPath } from './bedrock-path.ts';

const CLAUDE = 'anthropic.claude-3-haiku-20240307-v1:0';
const ARN = 'arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3';

describe('a path of the Bedrock runtime', () => {
  it.each([
    [`/model/${CLAUDE}/invoke`, CLAUDE, 'invoke'],
    [`/bedrock/model/${CLAUDE.replace(':', '%3A')}/converse-stream`, CLAUDE, 'converse-stream'],
    [
      `/model/${CLAUDE.replace(':', '%3a')}/invoke-with-response-stream`,
      CLAUDE,
      'invoke-with-response-stream',
    ],
    [`/model/${encodeURIComponent(ARN)}/converse`, ARN, 'converse'],
    ['/model/x/count-tokens', 'x', 'count-tokens'],
    // Decoded once, and for the dialect to refuse.
    ['/model/%2e%2e%2f/invoke', '../', 'invoke'],
    ['/model/%252e/invoke', '%2e', 'invoke'],
    ['/model/../invoke', '..', 'invoke'],
  ])('%s', (path, model, operation) => {
    expect(readBedrockPath(path)).toEqual({ model, operation });
  });

  it.each([
    '/model',
    '/model/x',
    '/model/x/',
    '/model/x/invoke/',
    '/model//invoke',
    `/model/${ARN}/invoke`,
    '/model/x/invoke-with-bidirectional-stream',
    '/model/x/Invoke',
    '/model/x/constructor',
    '/bedrock/bedrock/model/x/invoke',
    '/claude/model/x/invoke',
    '/model/%ff/invoke',
  ])('%s is none', (path) => {
    expect(readBedrockPath(path)).toBeUndefined();
  });
});
