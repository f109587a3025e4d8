/**
 * The Postgres of a test run. `node test/support/cluster.js` keeps one running and prints the variable that makes
 * later runs of single files use it.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import pg from 'pg';
import { refreshBuild } from './refresh-build.js';

const root = new URL('../../', import.meta.url);

/** @returns {Promise<{ url: string, stop(): Promise<void> }>} */
export async function startCluster() {
  const { startEmbeddedPostgres } = await built('src/database/embedded-postgres.js');
  const dataDir = await mkdtemp(join(tmpdir(), 'llm-relay-test-'));
  const remove = () => rm(dataDir, { recursive: true, force: true });
  try {
    const settings = { max_connections: 300, autovacuum: 'off' };
    const postgres = await startEmbeddedPostgres({ dataDir, fsync: false, settings });
    return { url: postgres.url, stop: () => postgres.stop().finally(remove) };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** A database with all migrations run; its name tells which, so that an edited migration gets another template. */
export async function makeTemplate(adminUrl) {
  const { runMigrations } = await built('src/database/migrate.js');
  const folder = new URL('migrations/', root);
  const hash = createHash('sha256');
  for (const file of readdirSync(folder).sort()) hash.update(readFileSync(new URL(file, folder)));
  const template = `template_${hash.digest('hex').slice(0, 12)}`;

  const admin = new pg.Client(adminUrl);
  await admin.connect();
  try {
    await admin.query('select pg_advisory_lock(1)');
    const { rowCount } = await admin.query('select from pg_database where datname = $1', [template]);
    if (rowCount > 0) return template;
    // Built under another name: a run that is killed leaves no half-made template.
    await admin.query(`drop database if exists ${template}_draft with (force)`);
    await admin.query(`create database ${template}_draft`);
    const draft = new URL(adminUrl);
    draft.pathname = `/${template}_draft`;
    await runMigrations(draft.href);
    await admin.query(`alter database ${template}_draft rename to ${template}`);
    return template;
  } finally {
    await admin.end();
  }
}

async function built(file) {
  refreshBuild();
  const url = new URL(`dist/${file}`, root);
  if (!existsSync(url)) throw new Error('The tests need the build: run npm run build first.');
  return import(url.href);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const cluster = await startCluster();
  console.log(`export TEST_DATABASE_ADMIN_URL='${cluster.url}'`);
  const alive = setInterval(() => undefined, 60_000);
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, () => {
      clearInterval(alive);
      void cluster.stop();
    });
  }
}
