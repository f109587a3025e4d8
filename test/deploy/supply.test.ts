import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { inRepository, readJson } from './repository.ts';

interface Package {
  readonly integrity?: string;
  readonly resolved?: string;
  readonly dev?: boolean;
  readonly hasInstallScript?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}
type Versions = Readonly<Record<string, string>>;

const manifest = readJson<{
  dependencies: Versions;
  optionalDependencies: Versions;
  devDependencies: Versions;
}>('package.json');
const lock = readJson<{ packages: Record<string, Package> }>('package-lock.json').packages;
const installed = Object.entries(lock).filter(([path]) => path !== '');
const atRunTime = installed.filter(([, entry]) => entry.dev !== true);

/** As Node looks for it: below the package that asks, then below each one above it. */
function findsInLock(from: string, name: string): boolean {
  const above = from.split('/node_modules/');
  const folders = above.map((_, depth) => above.slice(0, depth + 1).join('/node_modules/')).concat('');
  return folders.some((folder) => `${folder === '' ? '' : `${folder}/`}node_modules/${name}` in lock);
}

/** The packages that a source file and all it imports need when they run. */
function packagesBehind(entry: string): Set<string> {
  const packages = new Set<string>();
  const seen = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    const text = readFileSync(file, 'utf8');
    for (const [, atOnce, later = ''] of text.matchAll(
      /^(?:import|export)\s+(?!type\b)(?:[^'";]*?\sfrom\s+)?'([^']+)'|\bimport\('([^']+)'\)/gm,
    )) {
      const from = atOnce ?? later;
      if (from.startsWith('.')) visit(join(dirname(file), from));
      else if (!from.startsWith('node:'))
        packages.add(from.split('/', from.startsWith('@') ? 2 : 1).join('/'));
    }
  };
  visit(inRepository(entry));
  return packages;
}

describe('what is installed', () => {
  it('has exact versions', () => {
    const versions = {
      ...manifest.dependencies,
      ...manifest.optionalDependencies,
      ...manifest.devDependencies,
    };
    for (const [name, version] of Object.entries(versions)) {
      expect([name, version]).toEqual([
        name,
        expect.stringMatching(/^(npm:@?[^@]+@)?\d+\.\d+\.\d+(-[\w.]+)?$/),
      ]);
    }
  });

  it('is known by its digest, wherever it comes from', () => {
    expect(
      installed.filter(([, entry]) => !/^sha512-/.test(entry.integrity ?? '')).map(([path]) => path),
    ).toEqual([]);
    expect(installed.filter(([, entry]) => entry.resolved !== undefined).map(([path]) => path)).toEqual([]);
  });

  it('is whole in the lock file, with the optional packages of every platform', () => {
    const missing = Object.entries(lock).flatMap(([path, entry]) =>
      Object.keys(entry.optionalDependencies ?? {})
        .filter((name) => !findsInLock(path, name))
        .map((name) => `${path} > ${name}`),
    );
    expect(missing).toEqual([]);
    expect(findsInLock('', 'no-such-package')).toBe(false);
  });

  it('stays small where it runs', () => {
    expect(Object.keys(manifest.dependencies).length).toBeLessThanOrEqual(25);
    expect(atRunTime.length).toBeLessThanOrEqual(250);
  });

  it('runs without the install script of any package', () => {
    const scripts = atRunTime.filter(([, entry]) => entry.hasInstallScript === true).map(([path]) => path);
    // The platform packages only make links, which the supervisor makes itself when they are absent; scarf's script
    // counts downloads for the makers of swagger-ui-dist, and nothing needs it.
    expect(scripts).toEqual([
      ...Object.keys(manifest.optionalDependencies).map((name) => `node_modules/${name}`),
      'node_modules/@scarf/scarf',
    ]);
  });

  it('holds every package that the relay imports, without the development ones', () => {
    const needed = packagesBehind('src/cli/start.ts');
    expect(needed).toContain('@nestjs/core');
    expect([...needed].filter((name) => manifest.dependencies[name] === undefined)).toEqual([]);
  });
});
