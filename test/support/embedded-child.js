/** A process with an embedded Postgres: tells its URL through IPC, and stays until it is killed. */
import { startEmbeddedPostgres } from '../../dist/src/database/embedded-postgres.js';

try {
  const postgres = await startEmbeddedPostgres({ dataDir: process.argv[2], fsync: false });
  process.send({ url: postgres.url });
} catch (error) {
  process.send({ problem: error.message });
}
process.on('message', () => undefined);
