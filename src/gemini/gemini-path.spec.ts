import { readGeminiPath } from './gemini-path.ts';

describe('a path of the Gemini API', () => {
  it.each([
    ['/v1beta/models/gemini-2.5-flash:generateContent', 'v1beta', 'gemini-2.5-flash', 'generateContent'],
    ['/v1beta/models/gemini-2.5-flash%3AgenerateContent', 'v1beta', 'gemini-2.5-flash', 'generateContent'],
    ['/gemini/v1/models/m:countTokens', 'v1', 'm', 'countTokens'],
    ['/v1beta/tunedModels/mine:streamGenerateContent', 'v1beta', 'tunedModels/mine', 'streamGenerateContent'],
    ['/gemini/v1beta/models/m', 'v1beta', 'm', undefined],
    ['/v1beta/models/v1:0:countTokens', 'v1beta', 'v1:0', 'countTokens'],
  ])('reads %s', (path, version, model, verb) => {
    expect(readGeminiPath(path)).toEqual({ version, model, verb });
  });

  it.each([
    '/v1beta/models/m:deleteEverything',
    '/v1beta/models/m:generateContent:countTokens',
    '/v1beta/models/m%3AgenerateContent:x:countTokens',
    '/v1beta/models/m/extra:generateContent',
    '/v1beta/models/%E0%A4%A:generateContent',
    '/v1beta/files/x',
    '/v2/models/m:generateContent',
  ])('does not know %s', (path) => {
    expect(readGeminiPath(path)).toBeUndefined();
  });

  it('leaves an encoded slash or dot segment in the name, for the name check to refuse', () => {
    expect(readGeminiPath('/v1beta/models/..%2F..%2Fx:generateContent')?.model).toBe('../../x');
  });
});
