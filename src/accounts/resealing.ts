import { DataSource } from 'typeorm';
import { dataSourceOptions } from '../database/data-source.ts';
import { CredentialVault, type Resealed } from './credential-vault.ts';
import { proveKeyRing, resealCheck } from './key-ring.ts';
import type { KeyRing } from './sealing.ts';

const BATCH = 200;

/**
 * Moves everything sealed under older keys of the ring to its newest one, while replicas run. They must know the new
 * key before: give them the longer ring first, then reseal, then take the old key away.
 * @throws Error when the ring is not the one this database was sealed with
 */
export async function reseal(url: string, ring: KeyRing): Promise<Resealed> {
  const source = await new DataSource({ ...dataSourceOptions(url), poolSize: 1 }).initialize();
  try {
    await proveKeyRing(ring, source);
    const resealed = await new CredentialVault(ring).resealAll(source, BATCH);
    await resealCheck(ring, source);
    return resealed;
  } finally {
    await source.destroy();
  }
}
