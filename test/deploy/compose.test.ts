import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import { readEnv } from '../../src/config/env.ts';
import { readCompose, secondsOf, type Service } from './compose.ts';
import { readJson, readText } from './repository.ts';

/** What cut streams get to write their error frame and settle, once the drain limit has passed (src/shutdown.ts). */
const LAST_WORDS_SECONDS = 5;

describe('docker-compose.yml', () => {
  const { services } = readCompose();
  const all = Object.entries<Service>(services);

  it('is valid by the schema of the Compose specification', () => {
    const { $schema: draft07, ...schema } = readJson<Record<string, unknown>>(
      'node_modules/dclint/schemas/compose.schema.json',
    );
    expect(draft07).toContain('draft-07');
    const ajv = new Ajv({ strict: false, allErrors: true });
    addFormats.default(ajv);
    const validate = ajv.compile(schema);
    validate(readCompose());
    expect(validate.errors).toBeNull();
    expect(validate({ services: { relay: { image: 1 } } })).toBe(false);
  });

  it('runs Postgres 18 on a volume, at the path that its image uses since 18', () => {
    expect(services.postgres.image).toBe('postgres:18');
    expect(services.postgres.volumes).toEqual(['postgres:/var/lib/postgresql']);
    expect(services.postgres.ports).toBeUndefined();
  });

  it('migrates once, and starts the relay only when that has succeeded', () => {
    expect(services.migrate.restart).toBe('no');
    expect(services.migrate.command).toEqual(['node', 'dist/src/cli/migrate.js']);
    expect(services.migrate.depends_on).toEqual({ postgres: { condition: 'service_healthy' } });
    expect(services.relay.depends_on).toEqual({
      postgres: { condition: 'service_healthy' },
      migrate: { condition: 'service_completed_successfully' },
    });
    expect(services.balancer.depends_on).toEqual({ relay: { condition: 'service_healthy' } });
  });

  it('gives the migration the database and none of the secrets of the relay', () => {
    expect(Object.keys(services.migrate.environment ?? {})).toEqual(['DATABASE_URL']);
  });

  it('runs at least two replicas, and publishes no port but the one of the balancer', () => {
    expect(services.relay.deploy?.replicas).toBeGreaterThanOrEqual(2);
    expect(all.filter(([, service]) => service.ports !== undefined).map(([name]) => name)).toEqual([
      'balancer',
    ]);
  });

  it('has a health check on everything that stays', () => {
    for (const [name, service] of all) {
      if (name === 'migrate') expect(service.healthcheck).toEqual({ disable: true });
      else expect(service.healthcheck?.test?.[0]).toBe('CMD');
    }
    expect(services.relay.healthcheck?.test?.join(' ')).toContain('/health/ready');
  });

  it('lets the relay drain before it is killed, and the balancer as long', () => {
    const { drainAcceptSeconds, drainSeconds } = readEnv({});
    const needed = drainAcceptSeconds + drainSeconds + LAST_WORDS_SECONDS;
    expect(secondsOf(services.relay.stop_grace_period)).toBeGreaterThan(needed);
    expect(secondsOf(services.balancer.stop_grace_period)).toBeGreaterThan(needed);
    expect(services.balancer.stop_signal).toBe('SIGQUIT');
  });

  it('gives what faces the network a read-only disk and no capability', () => {
    for (const service of [services.relay, services.migrate, services.balancer]) {
      expect(service.read_only).toBe(true);
      expect(service.cap_drop).toEqual(['ALL']);
      expect(service.tmpfs).toEqual(['/tmp']);
    }
    expect(services.relay.environment?.['RELAY_DATA_DIR']).toMatch(/^\/tmp\//);
  });

  it('keeps the spool of the replicas on one volume, where the image has a folder that they may write to', () => {
    const spoolDir = services.relay.environment?.['RELAY_SPOOL_DIR'];
    expect(services.relay.volumes).toEqual([`spool:${spoolDir}`]);
    expect(Object.keys(readCompose().volumes ?? {})).toContain('spool');
    expect(readText('Dockerfile')).toContain(`--chown=node:node /spool ${spoolDir}\n`);
  });

  it('holds no secret: each comes from the environment, and is asked for by name when absent', () => {
    const secrets = all.flatMap(([, service]) =>
      Object.entries(service.environment ?? {}).filter(([name]) => /PASSWORD|TOKEN|KEY|_URL$/.test(name)),
    );
    expect(secrets.map(([name]) => name)).toEqual(
      expect.arrayContaining([
        'POSTGRES_PASSWORD',
        'DATABASE_URL',
        'RELAY_ENCRYPTION_KEYS',
        'RELAY_ADMIN_TOKEN',
      ]),
    );
    for (const [name, value] of secrets) {
      if (name === 'DATABASE_URL') {
        expect(value).toMatch(/^postgres:\/\/relay:\$\{POSTGRES_PASSWORD:\?[^}]+\}@postgres:5432\/relay$/);
      } else {
        expect(value).toMatch(new RegExp(`^\\$\\{${name}:\\?[^}]+\\}$`));
      }
    }
  });

  it('explains at its top each variable that it takes from the environment', () => {
    const text = readText('docker-compose.yml');
    const top = text.slice(0, text.indexOf('\nname:'));
    const taken = new Set([...text.matchAll(/\$\{([A-Z_]+)/g)].map((match) => match[1] ?? ''));
    expect(taken.size).toBeGreaterThan(4);
    for (const name of taken) expect(top).toContain(name);
  });
});
