import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The proof that counters say what the open rows say, in one snapshot: a place is taken and given back in the statement
 * that writes or deletes its open row, so that there is no moment at which they may differ.
 */
export class Proof1763800006200 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(DIFFERENCES);
    await runner.query(REPAIR);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop function repair_counters; drop view counter_differences');
  }
}

export const DIFFERENCES = `
  create view counter_differences as
    with kept as (
      select 'key places' as counter, id, in_use as counted from key_state
      union all select 'key counting', id, counting from key_state
      union all select 'account places', id, in_use from account_state
    ), open as (
      select 'key places' as counter, key_id as id, count(*)::integer as proven from open_calls
        where lane <> 'count' group by 2
      union all
      select 'key counting', key_id, count(*)::integer from open_calls where lane = 'count' group by 2
      union all
      select 'account places', account_id, count(*)::integer from open_calls
        where lane <> 'count' and placed group by 2
    )
    select counter, id, coalesce(counted, 0) as counted, coalesce(proven, 0) as proven
      from kept full join open using (counter, id)
      where coalesce(counted, 0) <> coalesce(proven, 0);
`;

/**
 * Sets what differs to what is proven. Rows are locked first, in the order of all, and looked at again under the lock:
 * whoever moves a counter holds its row until the commit that shows the open row. Answers what was repaired, as JSON;
 * nothing while another replica is at it.
 */
export const REPAIR = `
  create function repair_counters() returns jsonb language plpgsql as $$
  declare
    v_keys uuid[]; v_accounts uuid[]; v_repaired jsonb;
  begin
    if not pg_try_advisory_xact_lock(hashtextextended('llm-relay counters', 0)) then return '[]'; end if;
    select array_agg(distinct id) filter (where counter <> 'account places'),
           array_agg(distinct id) filter (where counter = 'account places')
      into v_keys, v_accounts from counter_differences;
    if v_keys is null and v_accounts is null then return '[]'; end if;

    perform 1 from key_state where id = any (v_keys) order by id for no key update;
    perform 1 from account_state where id = any (v_accounts) order by id for no key update;
    select coalesce(jsonb_agg(to_jsonb(d) order by counter, id), '[]') into v_repaired from counter_differences d
      where id = any (v_keys) or id = any (v_accounts);

    update key_state s set
        in_use = (select count(*) from open_calls o where o.key_id = s.id and o.lane <> 'count'),
        counting = (select count(*) from open_calls o where o.key_id = s.id and o.lane = 'count')
      where s.id in (select id from counter_differences where counter <> 'account places') and s.id = any (v_keys);
    update account_state s set
        in_use = (select count(*) from open_calls o where o.account_id = s.id and o.lane <> 'count' and o.placed)
      where s.id in (select id from counter_differences where counter = 'account places') and s.id = any (v_accounts);
    return v_repaired;
  end $$;
`;
