import { join } from 'node:path';

/** The process environment, read once. Errors name the variable and what it must be, never its value. */

export interface Clocks {
  readonly connectMs: number;
  /** To the answer's head of a streaming call. */
  readonly headersMs: number;
  /** To the answer's head of a call answered by one JSON document. */
  readonly jsonHeadersMs: number;
  /** Between two chunks of an answer. */
  readonly idleMs: number;
  readonly totalMs: number;
  /** How long a client may take nothing while bytes wait for it. */
  readonly writeStallMs: number;
  /** Silence on a committed SSE answer after which a comment is sent. */
  readonly keepAliveMs: number;
  readonly requestHeadersMs: number;
  readonly bodyIdleMs: number;
}

export interface Env {
  readonly host: string;
  readonly port: number;
  /** Undefined: the embedded Postgres in `dataDir`. */
  readonly databaseUrl: string | undefined;
  readonly dataDir: string;
  readonly adminToken: string | undefined;
  /** `id:base64` pairs, newest first; undefined: generated into `dataDir`, with the embedded Postgres only. */
  readonly encryptionKeys: string | undefined;
  /** Hosts or CIDRs that upstreams may have beside public https origins. */
  readonly allowedUpstreams: readonly string[];
  /** Accounts that one call may try, and how long after its head the last one may be begun. */
  readonly maxAttempts: number;
  readonly failoverMs: number;
  /** How long a call waits for a place where all are taken (0: not at all), and how many may wait on this process. */
  readonly queueMs: number;
  readonly queueMax: number;
  readonly drainSeconds: number;
  /** After SIGTERM, how long connections are still accepted while balancers notice. */
  readonly drainAcceptSeconds: number;
  /** Processes that serve on this machine, each a replica of its own behind one port. */
  readonly workers: number;
  /** Which of them this process is, from 1; undefined: it serves alone. */
  readonly worker: number | undefined;
  readonly maxBodyBytes: number;
  /** Request bodies held in memory at once, all calls together. */
  readonly maxBodiesBytes: number;
  readonly metricsToken: string | undefined;
  readonly metricsPort: number | undefined;
  readonly logLevel: string;
  readonly clocks: Clocks;
  /** How long calls are admitted without the database; 0 = not at all. */
  readonly graceMs: number;
  /** How often a replica proves that it lives, and after how long a silent one is dead. */
  readonly heartbeatMs: number;
  readonly epochTtlMs: number;
  readonly sweepMs: number;
  /** Where each replica keeps what it would still have to settle; undefined: nowhere. */
  readonly spoolDir: string | undefined;
  readonly spoolMaxBytes: number;
  /** How often the ledger's sums by hour and day are brought up to date. */
  readonly foldMs: number;
  /** Whole months of ledger rows kept beside the current one; 0 = all. Sums are always kept. */
  readonly ledgerKeepMonths: number;
  readonly configPollMs: number;
  /** False turns off LISTEN, so that only the poll brings changes (rehearsal of a lost hint). */
  readonly configHint: boolean;
}

const MIB = 1024 * 1024;
/** What stands in examples and templates instead of a secret, and stays there when nobody thought of it. */
const EXAMPLE =
  /change.?(me|this)|replace.?(me|this|with)|placeholder|example|goes.?here|your.?(own|admin|secret|token|key|password)|<[^>]*>|\$\{/i;
/** Nothing but words that name a secret, and what stands between them. */
const WORDS = /^(?:secret|password|test|admin|default|token|relay|key|metrics|0?1234567?8?9?0?|[\W_])+$/i;

function looksMadeUp(secret: string): boolean {
  return EXAMPLE.test(secret) || WORDS.test(secret) || new Set(secret).size < 8;
}

const DATABASE_URL = /^postgres(ql)?:\/\//;
const DATABASE_URL_RULE = 'DATABASE_URL must begin with postgres:// or postgresql://';

/** What a migration needs, and no more: a job that only migrates is not given the relay's secrets. */
export function readMigrationEnv(
  source: Readonly<Record<string, string | undefined>>,
): Pick<Env, 'databaseUrl' | 'dataDir'> {
  const databaseUrl = source['DATABASE_URL']?.trim();
  if (databaseUrl === undefined || databaseUrl === '') {
    return { databaseUrl: undefined, dataDir: readEnv({ RELAY_DATA_DIR: source['RELAY_DATA_DIR'] }).dataDir };
  }
  if (!DATABASE_URL.test(databaseUrl)) throw new Error(DATABASE_URL_RULE);
  return { databaseUrl, dataDir: readEnv({}).dataDir };
}

/** @throws Error naming each variable that is wrong. */
export function readEnv(source: Readonly<Record<string, string | undefined>>): Env {
  const problems: string[] = [];

  const text = (name: string): string | undefined => {
    const value = source[name]?.trim();
    return value === undefined || value === '' ? undefined : value;
  };
  const whole = (name: string, fallback: number, min: number, max: number): number => {
    const value = text(name);
    if (value === undefined) return fallback;
    const number = Number(value);
    if (/^\d+$/.test(value) && number >= min && number <= max) return number;
    problems.push(`${name} must be a whole number from ${min} to ${max}`);
    return fallback;
  };
  const secret = (name: string, minLength: number): string | undefined => {
    const value = text(name);
    if (source[name] !== undefined && value === undefined) problems.push(`${name} must not be empty`);
    if (value === undefined) return undefined;
    if (value.length < minLength) problems.push(`${name} must have at least ${minLength} characters`);
    else if (looksMadeUp(value)) problems.push(`${name} looks like a placeholder`);
    return value;
  };
  const ms = (name: string, fallback: number): number => whole(name, fallback, 1, 86_400_000);

  const databaseUrl = text('DATABASE_URL');
  if (databaseUrl !== undefined && !DATABASE_URL.test(databaseUrl)) problems.push(DATABASE_URL_RULE);
  const encryptionKeys = text('RELAY_ENCRYPTION_KEYS');
  if (source['RELAY_ENCRYPTION_KEYS'] !== undefined && encryptionKeys === undefined) {
    problems.push(
      'RELAY_ENCRYPTION_KEYS must not be empty; leave it out to have one generated (embedded Postgres only)',
    );
  }
  if (databaseUrl !== undefined && encryptionKeys === undefined) {
    problems.push(
      'RELAY_ENCRYPTION_KEYS must be set when DATABASE_URL is (id:base64 of 32 bytes, newest first)',
    );
  }
  const dataDir = text('RELAY_DATA_DIR') ?? '.data';
  const spoolDir = text('RELAY_SPOOL_DIR') ?? join(dataDir, 'spool');
  const metricsPort =
    text('RELAY_METRICS_PORT') === undefined ? undefined : whole('RELAY_METRICS_PORT', 0, 0, 65_535);
  const hint = text('RELAY_CONFIG_HINT');
  if (hint !== undefined && hint !== 'on' && hint !== 'off')
    problems.push('RELAY_CONFIG_HINT must be on or off');
  const logLevel = text('RELAY_LOG_LEVEL') ?? 'info';
  if (!['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'].includes(logLevel)) {
    problems.push('RELAY_LOG_LEVEL must be one of fatal, error, warn, info, debug, trace, silent');
  }

  const env: Env = {
    host: text('HOST') ?? '127.0.0.1',
    port: whole('PORT', 3000, 0, 65_535),
    databaseUrl,
    dataDir,
    adminToken: secret('RELAY_ADMIN_TOKEN', 24),
    encryptionKeys,
    allowedUpstreams: (text('RELAY_ALLOWED_UPSTREAMS') ?? '')
      .split(',')
      .map((entry) => entry.trim())
      .filter((entry) => entry !== ''),
    maxAttempts: whole('RELAY_MAX_ATTEMPTS', 3, 1, 10),
    failoverMs: ms('RELAY_FAILOVER_TIMEOUT_MS', 90_000),
    queueMs: whole('RELAY_QUEUE_TIMEOUT_MS', 10_000, 0, 3_600_000),
    queueMax: whole('RELAY_QUEUE_MAX', 1_000, 1, 100_000),
    drainSeconds: whole('RELAY_DRAIN_SECONDS', 300, 0, 86_400),
    drainAcceptSeconds: whole('RELAY_DRAIN_ACCEPT_SECONDS', 5, 0, 300),
    workers: whole('RELAY_WORKERS', 1, 1, 64),
    worker: undefined,
    maxBodyBytes: whole('RELAY_MAX_BODY_BYTES', 32 * MIB, 1024, 1024 * MIB),
    maxBodiesBytes: whole('RELAY_MAX_BODIES_BYTES', 256 * MIB, 1024, 65_536 * MIB),
    metricsToken: secret('RELAY_METRICS_TOKEN', 16),
    metricsPort,
    logLevel,
    clocks: Object.freeze({
      connectMs: ms('RELAY_CONNECT_TIMEOUT_MS', 5_000),
      headersMs: ms('RELAY_HEADERS_TIMEOUT_MS', 60_000),
      jsonHeadersMs: ms('RELAY_JSON_HEADERS_TIMEOUT_MS', 600_000),
      idleMs: ms('RELAY_IDLE_TIMEOUT_MS', 90_000),
      totalMs: ms('RELAY_TOTAL_TIMEOUT_MS', 3_600_000),
      writeStallMs: ms('RELAY_WRITE_STALL_TIMEOUT_MS', 60_000),
      keepAliveMs: ms('RELAY_KEEPALIVE_MS', 15_000),
      requestHeadersMs: ms('RELAY_REQUEST_HEADERS_TIMEOUT_MS', 15_000),
      bodyIdleMs: ms('RELAY_BODY_IDLE_TIMEOUT_MS', 30_000),
    }),
    graceMs: whole('RELAY_DB_GRACE_SECONDS', 30, 0, 300) * 1_000,
    heartbeatMs: ms('RELAY_HEARTBEAT_MS', 3_000),
    epochTtlMs: ms('RELAY_EPOCH_TTL_MS', 10_000),
    sweepMs: ms('RELAY_SWEEP_MS', 2_000),
    spoolDir: spoolDir === 'off' ? undefined : spoolDir,
    foldMs: ms('RELAY_USAGE_FOLD_MS', 60_000),
    ledgerKeepMonths: whole('RELAY_LEDGER_KEEP_MONTHS', 0, 0, 1_200),
    spoolMaxBytes: whole('RELAY_SPOOL_MAX_BYTES', 64 * MIB, MIB, 1024 * MIB),
    configPollMs: ms('RELAY_CONFIG_POLL_MS', 2_000),
    configHint: hint !== 'off',
  };
  if (env.maxBodiesBytes < env.maxBodyBytes) {
    problems.push('RELAY_MAX_BODIES_BYTES must not be less than RELAY_MAX_BODY_BYTES');
  }
  if (env.epochTtlMs < 2 * env.heartbeatMs) {
    problems.push('RELAY_EPOCH_TTL_MS must be at least twice RELAY_HEARTBEAT_MS');
  }
  if (problems.length > 0) throw new Error(`The environment is not usable:\n  ${problems.join('\n  ')}`);
  return Object.freeze(env);
}
