import { relative } from 'node:path';
import ts from 'typescript';
import { inRepository, readText } from './repository.ts';

/** The JavaScript files that `npm run build` writes, relative to the repository. */
export function emittedFiles(): string[] {
  const { config } = ts.parseConfigFileTextToJson('tsconfig.build.json', readText('tsconfig.build.json')) as {
    config: unknown;
  };
  const parsed = ts.parseJsonConfigFileContent(
    config,
    ts.sys,
    inRepository('.'),
    undefined,
    inRepository('tsconfig.build.json'),
  );
  return parsed.fileNames
    .flatMap((file) => ts.getOutputFileNames(parsed, file, false))
    .map((file) => relative(inRepository('.'), file))
    .filter((file) => file.endsWith('.js'));
}
