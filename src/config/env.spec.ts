import { readEnv } from './env.ts';

const KEYS = `k1:${Buffer.from(Array.from({ length: 32 }, (_, i) => (i * 37) % 256)).toString('base64')}`;
const SOUND = {
  DATABASE_URL: 'postgres://relay:canary-password@127.0.0.1/relay',
  RELAY_ENCRYPTION_KEYS: KEYS,
  RELAY_ADMIN_TOKEN: 'ra_Zk3n9QwL5vT8xYb2HsJd7RfMc4Gp',
  RELAY_METRICS_TOKEN: '9fKq2LxW7bTz4VnR',
};

function problems(more: Readonly<Record<string, string | undefined>>): string {
  try {
    readEnv({ ...SOUND, ...more });
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}

describe('the environment', () => {
  it('is read once, with defaults, and frozen', () => {
    const env = readEnv(SOUND);
    expect(env).toMatchObject({ host: '127.0.0.1', port: 3000, maxBodyBytes: 33_554_432, logLevel: 'info' });
    expect(Object.isFrozen(env) && Object.isFrozen(env.clocks)).toBe(true);
    expect(readEnv({})).toMatchObject({ databaseUrl: undefined, adminToken: undefined, dataDir: '.data' });
  });

  it.each<[string, string | undefined]>([
    ['RELAY_ENCRYPTION_KEYS', undefined],
    ['RELAY_ENCRYPTION_KEYS', ''],
    ['RELAY_ADMIN_TOKEN', ''],
    ['RELAY_ADMIN_TOKEN', '   '],
    ['RELAY_ADMIN_TOKEN', 'short'],
    ['RELAY_ADMIN_TOKEN', 'ra_Zk3n9QwL5vT8xYb2HsJd'],
    ['RELAY_ADMIN_TOKEN', 'x'.repeat(40)],
    ['RELAY_ADMIN_TOKEN', '0'.repeat(40)],
    ['RELAY_ADMIN_TOKEN', 'change-me-please-change-me'],
    ['RELAY_ADMIN_TOKEN', 'changeme-0123456789-abcdef'],
    ['RELAY_ADMIN_TOKEN', 'your-admin-token-goes-here'],
    ['RELAY_ADMIN_TOKEN', '<an administrator token of 24>'],
    ['RELAY_ADMIN_TOKEN', '${RELAY_ADMIN_TOKEN} of the shell'],
    ['RELAY_ADMIN_TOKEN', 'password-password-password'],
    ['RELAY_ADMIN_TOKEN', 'example-token-0123456789'],
    ['RELAY_ADMIN_TOKEN', 'relay-admin-token-1234567890'],
    ['RELAY_METRICS_TOKEN', ''],
    ['RELAY_METRICS_TOKEN', '9fKq2LxW7bTz4Vn'],
    ['RELAY_METRICS_TOKEN', 'aaaaaaaaaaaaaaaaaaaa'],
    ['RELAY_METRICS_TOKEN', 'replace-with-a-token'],
    ['DATABASE_URL', 'mysql://relay:canary-password@127.0.0.1/relay'],
    ['DATABASE_URL', 'canary-password'],
    ['PORT', 'http'],
    ['PORT', '65536'],
    ['PORT', '-1'],
    ['RELAY_MAX_BODY_BYTES', '1e6'],
    ['RELAY_MAX_BODY_BYTES', '0'],
    ['RELAY_MAX_BODIES_BYTES', '2048'],
    ['RELAY_HEADERS_TIMEOUT_MS', '0'],
    ['RELAY_IDLE_TIMEOUT_MS', '1.5'],
    ['RELAY_EPOCH_TTL_MS', '3000'],
    ['RELAY_LOG_LEVEL', 'loud'],
    ['RELAY_CONFIG_HINT', 'maybe'],
    ['RELAY_METRICS_PORT', 'x'],
    ['RELAY_WORKERS', '0'],
    ['RELAY_WORKERS', '65'],
    ['RELAY_DB_GRACE_SECONDS', '301'],
  ])('is refused by the name of the variable, never with its value (A13): %s = %j', (name, value) => {
    const told = problems({ [name]: value });
    expect(told).toContain(name);
    const trimmed = value?.trim() ?? '';
    if (trimmed.length > 4) expect(told).not.toContain(trimmed);
    expect(told).not.toContain('canary');
  });

  it.each(['admin-Zk3n9QwL5vT8xYb2HsJd7R', '8405172936645201987364510284', 'correct horse battery staple'])(
    'takes a secret that was made, whatever it is made of: %s',
    (token) => {
      expect(readEnv({ ...SOUND, RELAY_ADMIN_TOKEN: token }).adminToken).toBe(token);
    },
  );

  it('names everything that is wrong at once', () => {
    const told = problems({ PORT: 'x', RELAY_ADMIN_TOKEN: 'short', RELAY_ENCRYPTION_KEYS: undefined });
    for (const name of ['PORT', 'RELAY_ADMIN_TOKEN', 'RELAY_ENCRYPTION_KEYS']) expect(told).toContain(name);
  });
});
