import { createDatabase, type TestDatabase } from './database.ts';
import { Fleet } from './fleet.ts';

/** A vendor, a database, and relays between them that are processes of their own. */
export interface Stage<Vendor> {
  readonly simulator: Vendor;
  readonly database: TestDatabase;
  readonly fleet: Fleet;
  /** Relays first, so that each has its vendor and its database to the end. */
  close(): Promise<void>;
}

/** @param variables of each of the relays */
export async function setStage<Vendor extends { close(): Promise<void> }>(
  vendor: Promise<Vendor>,
  variables: Readonly<Record<string, string>> = {},
  replicas = 1,
): Promise<Stage<Vendor>> {
  const [simulator, database] = await Promise.all([vendor, createDatabase()]);
  const fleet = new Fleet(database.url, variables);
  const close = async (): Promise<void> => {
    await fleet.close();
    await simulator.close();
    await database.drop();
  };
  try {
    await Promise.all(Array.from({ length: replicas }, () => fleet.start()));
  } catch (error) {
    await close();
    throw error;
  }
  return { simulator, database, fleet, close };
}
