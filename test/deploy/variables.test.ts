import { readEnv } from '../../src/config/env.ts';
import { readCompose } from './compose.ts';
import { readText } from './repository.ts';

/** Every variable that `readEnv` looks at. */
function variablesRead(): Set<string> {
  const names = new Set<string>();
  const watched = new Proxy<Record<string, string | undefined>>(
    {},
    {
      get(_target, name) {
        names.add(String(name));
        return undefined;
      },
    },
  );
  readEnv(watched);
  return names;
}

describe('the variables of the relay', () => {
  const read = variablesRead();
  const readme = readText('README.md');
  const table = readme.slice(readme.indexOf('| variable '), readme.indexOf('`npm run reseal`'));
  const inTable = new Set(
    table
      .split('\n')
      .flatMap((row) => [...(row.split('|')[1] ?? '').matchAll(/`([A-Z_]+)`/g)])
      .map((match) => match[1] ?? ''),
  );

  it('are all in the table of the README', () => {
    expect([...inTable].sort()).toEqual([...read].sort());
    expect(inTable.size).toBeGreaterThan(25);
  });

  it('are spelled in the README and in the compose file as the relay reads them', () => {
    const { services } = readCompose();
    const given = [services.relay, services.migrate].flatMap((service) =>
      Object.keys(service.environment ?? {}),
    );
    const told = [...readme.matchAll(/\bRELAY_[A-Z_]*[A-Z]\b/g)].map((match) => match[0]);
    expect([...given, ...told].filter((name) => !read.has(name))).toEqual([]);
    expect(given).toContain('DATABASE_URL');
  });

  it('of the compose file are enough to start', () => {
    const sample = { DATABASE_URL: 'postgres://relay:word@postgres:5432/relay' };
    const filled = Object.fromEntries(
      Object.entries(readCompose().services.relay.environment ?? {}).map(([name, value]) => [
        name,
        value.includes('${') ? (name.includes('UPSTREAMS') ? '' : `k1:${name}-a-long-text`) : value,
      ]),
    );
    expect(readEnv({ ...filled, ...sample })).toMatchObject({ metricsPort: 9464, dataDir: '/tmp/relay' });
  });
});
