import { jsonArray, plainArray, textArray } from './array-text.ts';

describe('an array as Postgres reads it', () => {
  it('needs no quotes for ids, numbers, times and truths, and names what is missing', () => {
    expect(plainArray(['a-1', 2, 3n, true, null, undefined])).toBe('{a-1,2,3,true,NULL,NULL}');
    expect(plainArray([])).toBe('{}');
  });

  it('has texts between quotes, so that words, empty ones and separators are themselves', () => {
    expect(textArray(['a', '', 'NULL', 'b, {c}', 'ü\n'])).toBe('{"a","","NULL","b, {c}","ü\n"}');
    expect(textArray([])).toBe('{}');
  });

  it('escapes quotes and backslashes, and nothing else', () => {
    expect(textArray(['say "so"', 'C:\\d', 'a', null])).toBe(String.raw`{"say \"so\"","C:\\d","a",NULL}`);
    expect(textArray([null])).toBe('{NULL}');
  });

  it('quotes JSON as it quotes any other text', () => {
    const texts = [{ a: 'x "y" \\ \n \u0007 \u2028 \u007f ü \ud800' }, [], 'z'].map((one) =>
      JSON.stringify(one),
    );
    expect(jsonArray(texts)).toBe(textArray(texts));
    expect(jsonArray(['{}', null])).toBe('{"{}",NULL}');
  });
});
