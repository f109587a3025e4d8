import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query, Req } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import type { Request } from 'express';
import { AdminApi, ApiById, ApiProblems } from '../admin/admin-api.decorator.ts';
import { actorOf } from '../admin/admin.guard.ts';
import { IdPipe } from '../admin/id.pipe.ts';
import { decodeCursor, encodeCursor, pageOf, PageQuery, UUID } from '../admin/page.ts';
import { AccountProbe } from './account-probe.ts';
import { shown } from './account-settings.ts';
import {
  AccountDto,
  AccountPageDto,
  AccountTestDto,
  CreateAccountDto,
  UpdateAccountDto,
} from './account.dto.ts';
import { AccountsService } from './accounts.service.ts';

@Controller('admin/v1/accounts')
@AdminApi('accounts')
export class AccountsController {
  constructor(
    private readonly accounts: AccountsService,
    private readonly probe: AccountProbe,
  ) {}

  @Post()
  @ApiOperation({ operationId: 'createAccount', summary: 'Adds a credentialed place upstream' })
  @ApiCreatedResponse({ type: AccountDto, description: 'The account, without its credential' })
  @ApiProblems(409)
  async createAccount(@Req() request: Request, @Body() body: CreateAccountDto): Promise<AccountDto> {
    return shown(await this.accounts.create(actorOf(request), body));
  }

  @Get()
  @ApiOperation({ operationId: 'listAccounts', summary: 'All accounts, newest first' })
  @ApiOkResponse({ type: AccountPageDto, description: 'A page of accounts' })
  async listAccounts(@Query() { limit, cursor }: PageQuery): Promise<AccountPageDto> {
    const rows = await this.accounts.page(decodeCursor(cursor, UUID)?.[0], limit + 1);
    return pageOf(rows, limit, ({ id }) => encodeCursor(id), shown);
  }

  @Get(':id')
  @ApiOperation({ operationId: 'getAccount', summary: 'One account, with its health and places in use' })
  @ApiOkResponse({ type: AccountDto, description: 'The account' })
  @ApiById()
  async getAccount(@Param('id', IdPipe) id: string): Promise<AccountDto> {
    return shown(await this.accounts.get(id));
  }

  @Patch(':id')
  @ApiOperation({ operationId: 'updateAccount', summary: 'Changes the fields that are given' })
  @ApiOkResponse({ type: AccountDto, description: 'The account as it is now' })
  @ApiById()
  @ApiProblems(409)
  async updateAccount(
    @Req() request: Request,
    @Param('id', IdPipe) id: string,
    @Body() body: UpdateAccountDto,
  ): Promise<AccountDto> {
    return shown(await this.accounts.update(actorOf(request), id, body));
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({
    operationId: 'deleteAccount',
    summary: 'Removes the account and its credential; reports keep its name',
  })
  @ApiNoContentResponse({ description: 'Deleted' })
  @ApiById()
  @ApiProblems(409)
  async deleteAccount(@Req() request: Request, @Param('id', IdPipe) id: string): Promise<void> {
    await this.accounts.remove(actorOf(request), id);
  }

  @Post(':id/test')
  @ApiOperation({
    operationId: 'testAccount',
    summary: 'Makes one small real request on the account, and says what it saw',
  })
  @ApiCreatedResponse({ type: AccountTestDto, description: 'What the request saw, good or bad' })
  @ApiById()
  async testAccount(@Param('id', IdPipe) id: string): Promise<AccountTestDto> {
    return this.probe.test(await this.accounts.get(id));
  }

  @Post(':id/clear-cooldowns')
  @ApiOperation({ operationId: 'clearAccountCooldowns', summary: 'Ends every cooldown of the account' })
  @ApiCreatedResponse({ type: AccountDto, description: 'The account as it is now' })
  @ApiById()
  async clearAccountCooldowns(@Req() request: Request, @Param('id', IdPipe) id: string): Promise<AccountDto> {
    return shown(await this.accounts.clearCooldowns(actorOf(request), id));
  }
}
