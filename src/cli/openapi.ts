import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readEnv } from '../config/env.ts';
import { startEmbeddedPostgres } from '../database/embedded-postgres.ts';
import { startRelay } from '../main.ts';
import { describeApi } from '../openapi/describe-api.ts';

/** Writes `openapi.json` from the running code; with `--check`, fails when the committed one says something else. */
const target = new URL('../../../openapi.json', import.meta.url);
const check = process.argv.includes('--check');

const dataDir = await mkdtemp(join(tmpdir(), 'relay-openapi-'));
const postgres = await startEmbeddedPostgres({ dataDir, fsync: false });
try {
  const relay = await startRelay(
    readEnv({
      DATABASE_URL: postgres.url,
      RELAY_ENCRYPTION_KEYS: `openapi:${randomBytes(32).toString('base64')}`,
      PORT: '0',
      RELAY_LOG_LEVEL: 'error',
      RELAY_DRAIN_ACCEPT_SECONDS: '0',
    }),
  );
  const said = `${JSON.stringify(describeApi(relay.app), null, 2)}\n`;
  await relay.close();
  if (!check) {
    await writeFile(target, said);
    console.log('openapi.json is written');
  } else if ((await readFile(target, 'utf8')) === said) {
    console.log('openapi.json says what the code says');
  } else {
    console.error('openapi.json is not what the code says: run `npm run openapi` and commit it');
    process.exitCode = 1;
  }
} finally {
  await postgres.stop();
  await rm(dataDir, { recursive: true, force: true });
}
