import { matchesAny, matchesPattern } from './model-pattern.ts';

describe('a model pattern', () => {
  it.each([
    ['*', 'anything', true],
    ['*', '', true],
    ['', '', true],
    ['', 'x', false],
    ['claude-*', 'claude-opus-4-5', true],
    ['claude-*', 'claude-', true],
    ['claude-*', 'xclaude-', false],
    ['*-pro', 'gemini-2.5-pro', true],
    ['*-pro', 'gemini-2.5-pro-x', false],
    ['a*b*c', 'abc', true],
    ['a*b*c', 'a-b-b-c', true],
    ['a*b*c', 'acb', false],
    ['ab*ba', 'aba', false],
    ['ab*ba', 'abba', true],
    ['a**b', 'ab', true],
    ['*.*', 'gemini-2.5', true],
    ['a.c', 'abc', false],
    ['[a-z]*', 'abc', false],
    ['Claude-*', 'claude-x', false],
    ['gemini-2.5-pro', 'gemini-2.5-pro', true],
    ['gemini-2.5-pro', 'gemini-2.5-pr', false],
  ])('%j against %j is %s', (pattern, model, expected) => {
    expect(matchesPattern(pattern, model)).toBe(expected);
  });

  it('agrees with trying every way of matching, on short words', () => {
    const slow = (pattern: string, model: string): boolean => {
      if (pattern === '') return model === '';
      if (pattern[0] === '*') {
        return slow(pattern.slice(1), model) || (model !== '' && slow(pattern, model.slice(1)));
      }
      return pattern[0] === model[0] && slow(pattern.slice(1), model.slice(1));
    };
    const words = (alphabet: string, length: number): string[] =>
      length === 0
        ? ['']
        : words(alphabet, length - 1).flatMap((word) => [word, ...[...alphabet].map((c) => word + c)]);
    const models = [...new Set(words('ab', 4))];
    for (const pattern of new Set(words('ab*', 4))) {
      for (const model of models) {
        expect([pattern, model, matchesPattern(pattern, model)]).toEqual([
          pattern,
          model,
          slow(pattern, model),
        ]);
      }
    }
  });

  it('is done at once with a pattern made of many stars', () => {
    expect(matchesPattern(`${'*a'.repeat(5_000)}*b`, 'a'.repeat(200_000))).toBe(false);
  });

  it('matches a list when any of it does, and an empty list never', () => {
    expect(matchesAny(['gemini-*', 'claude-*'], 'claude-x')).toBe(true);
    expect(matchesAny([], 'claude-x')).toBe(false);
  });
});
