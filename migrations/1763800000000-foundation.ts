import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The tables. Settings (api_keys, accounts) and counters (key_state, account_state) never share a row, so that an
 * edit cannot write back an old count. Every settings row carries the `version` of the change that wrote it;
 * `config_version` is one row, so versions commit in order and a replica may ask for "all above what I have".
 */
export class Foundation1763800000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table config_version (
        only_row boolean primary key default true check (only_row),
        version bigint not null
      );
      insert into config_version (version) values (1);

      create table settings (
        name text primary key,
        value text not null
      );

      create table admin_tokens (
        id uuid primary key,
        name text not null,
        digest bytea not null unique,
        created_at timestamptz not null default now(),
        revoked_at timestamptz
      );

      create table audit_log (
        id uuid primary key,
        at timestamptz not null default now(),
        actor text not null,
        action text not null,
        resource text not null,
        resource_id text not null,
        before jsonb,
        after jsonb
      );
      create index audit_log_at on audit_log (at desc, id desc);

      create table accounts (
        id uuid primary key,
        version bigint not null,
        name text not null,
        kind text not null,
        base_url text,
        priority integer not null default 50,
        weight integer not null default 1 check (weight > 0),
        max_concurrency integer not null default 0 check (max_concurrency >= 0),
        models jsonb,
        on_client_leave text not null default 'cancel' check (on_client_leave in ('cancel', 'drain')),
        enabled boolean not null default true,
        created_at timestamptz not null default now(),
        updated_at timestamptz not null default now(),
        deleted_at timestamptz
      );
      create unique index accounts_name on accounts (name) where deleted_at is null;
      create index accounts_version on accounts (version);

      create table account_credentials (
        account_id uuid primary key references accounts (id),
        version integer not null,
        encryption_key_id text not null,
        sealed bytea not null,
        updated_at timestamptz not null default now()
      );

      create table account_groups (
        id uuid primary key,
        name text not null,
        created_at timestamptz not null default now(),
        updated_at timestamptz not null default now(),
        deleted_at timestamptz
      );
      create unique index account_groups_name on account_groups (name) where deleted_at is null;

      create table account_group_members (
        group_id uuid not null references account_groups (id),
        account_id uuid not null references accounts (id),
        primary key (group_id, account_id)
      );
      create index account_group_members_account on account_group_members (account_id);

      create table api_keys (
        id uuid primary key,
        version bigint not null,
        name text not null,
        scopes text[] not null,
        models text[] not null,
        accounts uuid[],
        groups uuid[],
        binding_policy text not null default 'strict' check (binding_policy in ('strict', 'fallback')),
        max_concurrency integer check (max_concurrency > 0),
        tags text[] not null default '{}',
        enabled boolean not null default true,
        expires_at timestamptz,
        revoked_at timestamptz,
        created_at timestamptz not null default now(),
        updated_at timestamptz not null default now(),
        deleted_at timestamptz
      );
      create index api_keys_version on api_keys (version);

      create table api_key_secrets (
        digest bytea primary key check (length(digest) = 32),
        key_id uuid not null references api_keys (id),
        prefix text not null,
        created_at timestamptz not null default now(),
        expires_at timestamptz
      );
      create index api_key_secrets_key on api_key_secrets (key_id);

      create table prices (
        id bigint generated always as identity primary key,
        version bigint not null,
        kind text not null,
        model text not null,
        effective_from timestamptz not null,
        price jsonb not null,
        source text not null,
        created_at timestamptz not null default now()
      );
      create index prices_version on prices (version);
    `);
    await runner.query(`
      create table replicas (
        epoch uuid primary key,
        started_at timestamptz not null default clock_timestamp(),
        beat timestamptz not null default clock_timestamp(),
        closed_at timestamptz,
        dead_at timestamptz
      );

      create table key_state (
        id uuid primary key references api_keys (id),
        in_use integer not null default 0 check (in_use >= 0),
        counting integer not null default 0 check (counting >= 0)
      ) with (fillfactor = 50);

      create table account_state (
        id uuid primary key references accounts (id),
        in_use integer not null default 0 check (in_use >= 0),
        last_used timestamptz not null default '-infinity'
      ) with (fillfactor = 50);

      create table cooldowns (
        id uuid primary key,
        account_id uuid not null references accounts (id),
        model_family text,
        reason text not null,
        evidence text not null,
        created_at timestamptz not null default clock_timestamp(),
        until timestamptz not null
      );
      create index cooldowns_account on cooldowns (account_id, until);

      create table open_calls (
        request_id uuid primary key,
        attempt smallint not null,
        epoch uuid not null,
        key_id uuid not null,
        account_id uuid not null,
        lane text not null,
        door text not null,
        kind text not null,
        model text not null,
        at timestamptz not null
      );
      create index open_calls_epoch on open_calls (epoch);

      create table ledger (
        request_id uuid not null,
        attempt smallint not null,
        admitted_at timestamptz not null,
        settled_at timestamptz not null default clock_timestamp(),
        epoch uuid not null,
        key_id uuid not null,
        account_id uuid not null,
        lane text not null,
        door text not null,
        kind text not null,
        model text not null,
        upstream_model text not null,
        stream boolean not null,
        outcome text not null,
        status smallint,
        reason text,
        input_tokens bigint not null default 0 check (input_tokens >= 0),
        cache_read_tokens bigint not null default 0 check (cache_read_tokens >= 0),
        cache_write_5m_tokens bigint not null default 0 check (cache_write_5m_tokens >= 0),
        cache_write_1h_tokens bigint not null default 0 check (cache_write_1h_tokens >= 0),
        output_tokens bigint not null default 0 check (output_tokens >= 0),
        reasoning_tokens bigint not null default 0 check (reasoning_tokens >= 0),
        server_tools jsonb,
        estimated boolean not null default false,
        suspicious boolean not null default false,
        cost_nanos bigint check (cost_nanos >= 0),
        price_id bigint,
        first_byte_ms integer,
        duration_ms integer not null default 0,
        upstream_request_id text,
        client_request_id text,
        primary key (request_id, attempt)
      ) partition by range (request_id);
      create table ledger_default partition of ledger default;
      create index ledger_admitted on ledger (admitted_at);
      create index ledger_key on ledger (key_id, admitted_at);
      create index ledger_unpriced on ledger (kind, model) where cost_nanos is null;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      drop table ledger, open_calls, cooldowns, account_state, key_state, replicas, prices, api_key_secrets,
        api_keys, account_group_members, account_groups, account_credentials, accounts, audit_log, admin_tokens,
        settings, config_version;
    `);
  }
}
