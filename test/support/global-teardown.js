import { expectNoDeadlock } from './deadlocks.js';

export default async function globalTeardown() {
  try {
    await expectNoDeadlock(process.env.TEST_DATABASE_ADMIN_URL, process.env.TEST_RUN);
  } finally {
    await globalThis.testCluster?.stop();
  }
}
