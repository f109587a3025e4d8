/** One Postgres for the whole run, and one migrated template that each test file copies. */
import { randomUUID } from 'node:crypto';
import { makeTemplate, startCluster } from './cluster.js';
import { expectDatabases } from './deadlocks.js';

export default async function globalSetup() {
  if (process.env.TEST_DATABASE_ADMIN_URL === undefined) {
    const cluster = await startCluster();
    globalThis.testCluster = cluster;
    process.env.TEST_DATABASE_ADMIN_URL = cluster.url;
  }
  process.env.TEST_RUN = randomUUID();
  await expectDatabases(process.env.TEST_DATABASE_ADMIN_URL);
  process.env.TEST_DATABASE_TEMPLATE = await makeTemplate(process.env.TEST_DATABASE_ADMIN_URL);
}
