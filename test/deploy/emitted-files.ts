import { basename, relative } from 'node:path';
import ts from 'typescript';
import { inRepository, readText } from './repository.ts';

/** The JavaScript files that `npm run build` writes, relative to the repository: the compiler, then `join.js`. */
export function emittedFiles(): string[] {
  const compiled = compiledFiles();
  const text = readText('join.js');
  const [, folder = ''] = /^const folder = '(.+)';$/m.exec(text) ?? [];
  const [, entries = ''] = /^const entries = \[(.+)\];$/m.exec(text) ?? [];
  const joined = entries.match(/[^', ]+/g) ?? [];
  const absent = joined.filter((entry) => !compiled.includes(entry));
  if (joined.length === 0 || absent.length > 0) throw new Error(`join.js joins what is not there: ${absent}`);
  return [...compiled, ...joined.map((entry) => `${folder}/${basename(entry)}`)];
}

function compiledFiles(): string[] {
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
