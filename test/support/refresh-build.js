/**
 * Jest's global setup runs outside Jest's transforms, so it uses the build of the few rooms that start a database.
 * Where a source is newer than its build (or there is none), that one file is compiled here, without type checks, to
 * exactly where the build would put it.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const ROOMS = ['src/config', 'src/database', 'src/telemetry', 'migrations'];

export function refreshBuild() {
  const stale = ROOMS.flatMap(sources).filter((file) => modified(file) > modified(target(file)));
  if (stale.length === 0) return;
  const ts = createRequire(import.meta.url)('typescript');
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => readFileSync(path, 'utf8'));
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
  // The package is ESM; a single file is not asked for its package.json.
  const compilerOptions = { ...options, module: ts.ModuleKind.ES2022, sourceMap: false };
  for (const file of stale) {
    const source = readFileSync(join(root, file), 'utf8');
    const { outputText } = ts.transpileModule(source, { compilerOptions, fileName: file });
    const place = join(root, target(file));
    mkdirSync(dirname(place), { recursive: true });
    // Renamed into place: another run may be reading it.
    writeFileSync(`${place}.${process.pid}`, outputText);
    renameSync(`${place}.${process.pid}`, place);
  }
}

function sources(room) {
  return readdirSync(join(root, room))
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.spec.ts'))
    .map((name) => `${room}/${name}`);
}

function target(file) {
  return `dist/${file.replace(/\.ts$/, '.js')}`;
}

function modified(file) {
  return statSync(join(root, file), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
