import { CallError } from './dialect.ts';
import { checkModelName } from './model-name.ts';

describe('the name of a model', () => {
  it.each([
    'claude-opus-4-5-20251101',
    'gemini-2.5-pro',
    'tunedModels/my-model',
    'anthropic.claude-3-5-sonnet-20241022-v2:0',
    'ccr,openrouter,anthropic/claude-sonnet-5',
    'publishers/anthropic/models/claude@20251001',
    'a'.repeat(256),
  ])('may be %s', (name) => {
    expect(checkModelName(name)).toBe(name);
  });

  it.each([
    '',
    '../x',
    'a/../b',
    'a/./b',
    '/a',
    'a/',
    'a//b',
    '.',
    '..',
    '%2e%2e%2f',
    'a#b',
    'a?b',
    'a b',
    'a\r\nb',
    'a\n',
    'a\u0000',
    'ｇｐｔ',
    'a\\b',
    'a*',
    'a'.repeat(257),
    'a'.repeat(10_240),
  ])('may not be %j', (name) => {
    expect(() => checkModelName(name)).toThrow(CallError);
  });

  it.each([undefined, null, 1, {}, ['claude']])('may not be %j, which is no string', (name) => {
    expect(() => checkModelName(name)).toThrow('model: must be a string');
  });

  it('is told by the field it stands in', () => {
    expect(() => checkModelName('', 'requests[0].model')).toThrow('requests[0].model: must not be empty');
  });
});
