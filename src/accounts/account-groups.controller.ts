import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query, Req } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import type { Request } from 'express';
import { AdminApi, ApiById, ApiProblems } from '../admin/admin-api.decorator.ts';
import { actorOf } from '../admin/admin.guard.ts';
import { IdPipe } from '../admin/id.pipe.ts';
import { decodeCursor, encodeCursor, pageOf, PageQuery, UUID } from '../admin/page.ts';
import {
  AccountGroupDto,
  AccountGroupPageDto,
  CreateAccountGroupDto,
  UpdateAccountGroupDto,
} from './account-group.dto.ts';
import type { AccountGroup } from './account-groups.repository.ts';
import { AccountGroupsService } from './account-groups.service.ts';

@Controller('admin/v1/account-groups')
@AdminApi('account groups')
export class AccountGroupsController {
  constructor(private readonly groups: AccountGroupsService) {}

  @Post()
  @ApiOperation({
    operationId: 'createAccountGroup',
    summary: 'Names a set of accounts for keys to be bound to',
  })
  @ApiCreatedResponse({ type: AccountGroupDto, description: 'The group' })
  @ApiProblems(409)
  async createAccountGroup(
    @Req() request: Request,
    @Body() body: CreateAccountGroupDto,
  ): Promise<AccountGroupDto> {
    return shown(await this.groups.create(actorOf(request), body));
  }

  @Get()
  @ApiOperation({ operationId: 'listAccountGroups', summary: 'All account groups, newest first' })
  @ApiOkResponse({ type: AccountGroupPageDto, description: 'A page of account groups' })
  async listAccountGroups(@Query() { limit, cursor }: PageQuery): Promise<AccountGroupPageDto> {
    const rows = await this.groups.page(decodeCursor(cursor, UUID)?.[0], limit + 1);
    return pageOf(rows, limit, ({ id }) => encodeCursor(id), shown);
  }

  @Get(':id')
  @ApiOperation({ operationId: 'getAccountGroup', summary: 'One account group' })
  @ApiOkResponse({ type: AccountGroupDto, description: 'The group' })
  @ApiById()
  async getAccountGroup(@Param('id', IdPipe) id: string): Promise<AccountGroupDto> {
    return shown(await this.groups.get(id));
  }

  @Patch(':id')
  @ApiOperation({ operationId: 'updateAccountGroup', summary: 'Changes the fields that are given' })
  @ApiOkResponse({ type: AccountGroupDto, description: 'The group as it is now' })
  @ApiById()
  @ApiProblems(409)
  async updateAccountGroup(
    @Req() request: Request,
    @Param('id', IdPipe) id: string,
    @Body() body: UpdateAccountGroupDto,
  ): Promise<AccountGroupDto> {
    return shown(await this.groups.update(actorOf(request), id, body));
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({
    operationId: 'deleteAccountGroup',
    summary: 'Removes the group; its accounts stay, and keys bound to it are bound to none of them',
  })
  @ApiNoContentResponse({ description: 'Deleted' })
  @ApiById()
  async deleteAccountGroup(@Req() request: Request, @Param('id', IdPipe) id: string): Promise<void> {
    await this.groups.remove(actorOf(request), id);
  }
}

function shown(group: AccountGroup): AccountGroupDto {
  return {
    id: group.id,
    name: group.name,
    accounts: [...group.accounts],
    createdAt: group.createdAt.toISOString(),
    updatedAt: group.updatedAt.toISOString(),
  };
}
