import { Module, type OnModuleInit } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { ENV } from '../config/config.module.ts';
import type { Env } from '../config/env.ts';
import { ConfigWatch } from '../database/config-watch.ts';
import { AccountChanges } from './account-changes.ts';
import { AccountDirectory } from './account-directory.ts';
import { AccountGroupsController } from './account-groups.controller.ts';
import { AccountGroupsService } from './account-groups.service.ts';
import { AccountProbe } from './account-probe.ts';
import { AccountsController } from './accounts.controller.ts';
import { AccountsService } from './accounts.service.ts';
import { CredentialRenewal } from './credential-renewal.ts';
import { CredentialStore } from './credential-store.ts';
import { CredentialVault } from './credential-vault.ts';
import { KeptRenewals } from './kept-renewals.ts';
import { KEY_RING, openKeyRing, proveKeyRing } from './key-ring.ts';

@Module({
  controllers: [AccountsController, AccountGroupsController],
  providers: [
    AccountChanges,
    AccountDirectory,
    AccountGroupsService,
    AccountProbe,
    AccountsService,
    CredentialRenewal,
    CredentialStore,
    CredentialVault,
    KeptRenewals,
    {
      provide: KEY_RING,
      inject: [ENV, DataSource],
      useFactory: async (env: Env, database: DataSource) => {
        const ring = openKeyRing(env);
        await proveKeyRing(ring, database);
        return ring;
      },
    },
  ],
  exports: [AccountDirectory, AccountsService, CredentialStore],
})
export class AccountsModule implements OnModuleInit {
  constructor(
    private readonly directory: AccountDirectory,
    private readonly credentials: CredentialStore,
    private readonly renewal: CredentialRenewal,
    private readonly watch: ConfigWatch,
  ) {}

  async onModuleInit(): Promise<void> {
    await this.directory.reload();
    await this.renewal.storeKept((id) => this.directory.get(id));
    this.watch.onChange(async (from) => {
      await (from === 0n ? this.directory.reload() : this.directory.update());
      this.credentials.retain(this.directory.all());
    });
  }
}
