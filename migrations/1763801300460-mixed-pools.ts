import type { MigrationInterface, QueryRunner } from 'typeorm';
import { changed, ORDERLY_COOL } from './1763801152000-probes.ts';

/**
 * Accounts of one pool may have names of their own for the model, so that what each of them rests for is looked up
 * under its own (`p_families`); else half of a pool were half of those that have the same name. The signature before
 * goes on as it was.
 */
export class MixedPools1763801300460 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(COOL);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      drop function cool_account(uuid, uuid, text, text, text, bigint, bigint, boolean, integer, timestamptz, uuid[], text[])
    `);
  }
}

/** Of all pools one verdict at a time, since the same account is in several of them. */
const COOL = changed(ORDERLY_COOL, [
  ['create or replace function cool_account', 'create function cool_account'],
  ['p_since timestamptz, p_pool uuid[]\n', 'p_since timestamptz, p_pool uuid[], p_families text[]\n'],
  ["'eject ' || coalesce(p_family, '')", "'eject'"],
  ['from unnest(p_pool) a (id)\n', 'from unnest(p_pool, p_families) a (id, family)\n'],
  [
    `c.until > v_now
                  and (c.model_family is null or c.model_family = p_family)`,
    `c.until > v_now
                  and (c.model_family is null or c.model_family = a.family)`,
  ],
]);
