import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query, Req } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import type { Request } from 'express';
import { AdminApi, ApiById, ApiProblems } from '../admin/admin-api.decorator.ts';
import { actorOf } from '../admin/admin.guard.ts';
import { IdPipe } from '../admin/id.pipe.ts';
import { decodeCursor, encodeCursor, pageOf, PageQuery, UUID } from '../admin/page.ts';
import { showKey } from './key-settings.ts';
import { CreateKeyDto, KeyDto, KeyPageDto, RotateKeyDto, UpdateKeyDto } from './key.dto.ts';
import { KeysService } from './keys.service.ts';

@Controller('admin/v1/keys')
@AdminApi('keys')
export class KeysController {
  constructor(private readonly keys: KeysService) {}

  @Post()
  @ApiOperation({ operationId: 'createKey', summary: 'Make a key; its secret is told only here' })
  @ApiCreatedResponse({ type: KeyDto, description: 'The key, with its secret' })
  async createKey(@Req() request: Request, @Body() wish: CreateKeyDto): Promise<KeyDto> {
    const { record, secret } = await this.keys.create(actorOf(request), wish);
    return showKey(record, secret);
  }

  @Get()
  @ApiOperation({ operationId: 'listKeys', summary: 'Keys, newest first; revoked ones included' })
  @ApiOkResponse({ type: KeyPageDto, description: 'A page of keys' })
  async listKeys(@Query() query: PageQuery): Promise<KeyPageDto> {
    const rows = await this.keys.page(decodeCursor(query.cursor, UUID)?.[0], query.limit + 1);
    return pageOf(
      rows,
      query.limit,
      ({ id }) => encodeCursor(id),
      (record) => showKey(record),
    );
  }

  @Get(':id')
  @ApiOperation({ operationId: 'getKey', summary: 'One key, and what is used of its limits' })
  @ApiOkResponse({ type: KeyDto, description: 'The key' })
  @ApiById()
  async getKey(@Param('id', IdPipe) id: string): Promise<KeyDto> {
    return { ...showKey(await this.keys.get(id)), standing: (await this.keys.standing(id)).own };
  }

  @Patch(':id')
  @ApiOperation({ operationId: 'updateKey', summary: 'Change settings of a key; null takes a setting back' })
  @ApiOkResponse({ type: KeyDto, description: 'The key as it is now' })
  @ApiById()
  async updateKey(
    @Req() request: Request,
    @Param('id', IdPipe) id: string,
    @Body() wish: UpdateKeyDto,
  ): Promise<KeyDto> {
    return showKey(await this.keys.update(actorOf(request), id, wish));
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({ operationId: 'deleteKey', summary: 'Delete a key; its name stays in reports' })
  @ApiNoContentResponse({ description: 'Deleted' })
  @ApiById()
  async deleteKey(@Req() request: Request, @Param('id', IdPipe) id: string): Promise<void> {
    await this.keys.remove(actorOf(request), id);
  }

  @Post(':id/rotate')
  @ApiOperation({ operationId: 'rotateKey', summary: 'Give a key a new secret; it is told only here' })
  @ApiCreatedResponse({ type: KeyDto, description: 'The key, with its new secret' })
  @ApiById()
  @ApiProblems(409)
  async rotateKey(
    @Req() request: Request,
    @Param('id', IdPipe) id: string,
    @Body() wish: RotateKeyDto,
  ): Promise<KeyDto> {
    const { record, secret } = await this.keys.rotate(actorOf(request), id, wish.overlapSeconds ?? 0);
    return showKey(record, secret);
  }

  @Post(':id/revoke')
  @ApiOperation({ operationId: 'revokeKey', summary: 'End a key for good' })
  @ApiCreatedResponse({ type: KeyDto, description: 'The key as it is now' })
  @ApiById()
  async revokeKey(@Req() request: Request, @Param('id', IdPipe) id: string): Promise<KeyDto> {
    return showKey(await this.keys.revoke(actorOf(request), id));
  }
}
