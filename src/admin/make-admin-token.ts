import { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { ConfigChanges } from '../database/config-changes.ts';
import { dataSourceOptions } from '../database/data-source.ts';
import { digestOfToken, newAdminToken } from './admin-token.ts';
import { insertAdminToken } from './admin-tokens.repository.ts';

/** One more administrator's token, for whoever has the database's address. Running relays know it within 2.5 s. */
export async function makeAdminToken(databaseUrl: string, name: string): Promise<string> {
  const database = await new DataSource({ ...dataSourceOptions(databaseUrl), poolSize: 1 }).initialize();
  try {
    const token = newAdminToken();
    const id = uuidv7();
    const entry = {
      actor: 'npm run admin-token',
      action: 'admin-token.create',
      resource: 'admin-token',
      resourceId: id,
      after: { name },
    };
    await new ConfigChanges(database).write(entry, (tx) =>
      insertAdminToken(tx, { id, name, digest: digestOfToken(token) }),
    );
    return token;
  } finally {
    await database.destroy();
  }
}
