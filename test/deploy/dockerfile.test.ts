import { validate } from 'dockerfile-utils';
import { isIgnored } from './dockerignore.ts';
import { emittedFiles } from './emitted-files.ts';
import { isInRepository, readJson, readText } from './repository.ts';

interface Instruction {
  readonly keyword: string;
  readonly rest: string;
}

interface Stage {
  readonly name: string | undefined;
  readonly image: string | undefined;
  readonly instructions: Instruction[];
}

function readStages(): Stage[] {
  const text = readText('Dockerfile')
    .replace(/^\s*#.*\n/gm, '')
    .replace(/\\\n\s*/g, '');
  const stages: Stage[] = [];
  for (const line of text.split('\n').filter((each) => each.trim() !== '')) {
    const [, keyword = '', rest = ''] = /^(\S+)\s+(.*)$/.exec(line) ?? [];
    const [image, , name] = rest.split(/\s+/);
    if (keyword === 'FROM') stages.push({ image, name, instructions: [] });
    else stages.at(-1)?.instructions.push({ keyword, rest });
  }
  return stages;
}

function argumentsOf(stage: Stage | undefined, keyword: string): string[] {
  return (stage?.instructions ?? []).filter((each) => each.keyword === keyword).map(({ rest }) => rest);
}

function copiesOf(stage: Stage | undefined): { from: string | undefined; sources: string[] }[] {
  return argumentsOf(stage, 'COPY').map((rest) => {
    const words = rest.split(/\s+/);
    return {
      from: words.find((word) => word.startsWith('--from='))?.slice('--from='.length),
      sources: words.filter((word) => !word.startsWith('--')).slice(0, -1),
    };
  });
}

describe('the Dockerfile', () => {
  const stages = readStages();
  const last = stages.at(-1);

  it('has no problem that a linter sees', () => {
    expect(validate(readText('Dockerfile'))).toEqual([]);
  });

  it('builds in stages, every one of them on Node 24', () => {
    expect(stages.map((stage) => stage.name)).toEqual(['build', 'dependencies', undefined]);
    for (const stage of stages) expect(stage.image).toMatch(/^node:24(-|$)/);
  });

  it('installs from the lock file, and runs no script of a package', () => {
    const installs = stages
      .flatMap((stage) => argumentsOf(stage, 'RUN'))
      .filter((run) => run.startsWith('npm ci'));
    expect(installs).toHaveLength(2);
    for (const install of installs) expect(install).toContain('--ignore-scripts');
  });

  it('runs nothing in its last stage, and brings no development tool into it', () => {
    expect(argumentsOf(last, 'RUN')).toEqual([]);
    expect(copiesOf(last).filter(({ from }) => from !== undefined)).toEqual([
      { from: 'dependencies', sources: ['/app/node_modules'] },
      { from: 'build', sources: ['/app/dist'] },
      { from: 'dependencies', sources: ['/spool'] },
    ]);
    const dependencies = argumentsOf(stages[1], 'RUN').join('\n');
    expect(dependencies).toContain('--omit=dev');
    expect(dependencies).toContain('--omit=optional');
  });

  it('is not root when it runs, and listens beyond loopback', () => {
    expect(argumentsOf(last, 'USER')).toEqual(['node']);
    const order = (last?.instructions ?? []).map(({ keyword }) => keyword);
    expect(order.indexOf('USER')).toBeGreaterThan(order.lastIndexOf('COPY'));
    expect(argumentsOf(last, 'ENV')).toEqual([expect.stringContaining('HOST=0.0.0.0')]);
  });

  it('has its spool where its user may write, whoever starts it', () => {
    const [environment = ''] = argumentsOf(last, 'ENV');
    const spoolDir = /RELAY_SPOOL_DIR=(\S+)/.exec(environment)?.[1];
    expect(argumentsOf(last, 'COPY')).toContain(`--from=dependencies --chown=node:node /spool ${spoolDir}`);
  });

  it('has a health check, and stops by SIGTERM', () => {
    expect(argumentsOf(last, 'HEALTHCHECK')).toEqual([expect.stringContaining('/health/live')]);
    expect(argumentsOf(last, 'STOPSIGNAL')).toEqual(['SIGTERM']);
  });

  it('copies only what the repository holds and .dockerignore lets through', () => {
    const ignore = readText('.dockerignore');
    const sources = stages
      .flatMap(copiesOf)
      .filter(({ from }) => from === undefined)
      .flatMap((copy) => copy.sources);
    expect(sources).toEqual(expect.arrayContaining(['src', 'migrations', 'package-lock.json']));
    for (const source of sources) {
      expect([source, isInRepository(source), isIgnored(source, ignore)]).toEqual([source, true, false]);
    }
  });

  it('is given no secret, no data, no history and no test', () => {
    const ignore = readText('.dockerignore');
    const kept = [
      '.env',
      '.data/keys',
      '.git/config',
      'certs/tls.key',
      'node_modules/pg/package.json',
      'test/http/a.ts',
    ];
    for (const path of [...kept, 'src/keys/key.spec.ts'])
      expect([path, isIgnored(path, ignore)]).toEqual([path, true]);
    expect(isIgnored('src/keys/api-key.ts', ignore)).toBe(false);
  });
});

describe('the files that are started', () => {
  const emitted = emittedFiles();

  it('are written by the build: in the image', () => {
    const command = JSON.parse(argumentsOf(readStages().at(-1), 'CMD')[0] ?? '[]') as string[];
    expect([command[0], command.at(-1)]).toEqual(['node', 'dist/joined/cli/start.js']);
    expect(emitted).toContain(command.at(-1));
    expect(emitted).toContain('dist/src/cli/migrate.js');
  });

  it('are written by the build: in the scripts of package.json', () => {
    const { scripts } = readJson<{ scripts: Record<string, string> }>('package.json');
    const entries = Object.values(scripts).flatMap(
      (script) => script.match(/dist\/(?:src|joined)\/\S+\.js/g) ?? [],
    );
    expect(entries.length).toBeGreaterThan(4);
    for (const entry of entries) expect(emitted).toContain(entry);
  });
});
