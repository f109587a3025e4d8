import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query, Req } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import type { Request } from 'express';
import { AdminApi, ApiById, ApiProblems } from '../admin/admin-api.decorator.ts';
import { actorOf } from '../admin/admin.guard.ts';
import { IdPipe } from '../admin/id.pipe.ts';
import { decodeCursor, encodeCursor, pageOf, PageQuery, UUID } from '../admin/page.ts';
import { CreateTeamDto, TeamDto, TeamPageDto, UpdateTeamDto } from './team.dto.ts';
import { showTeam, TeamsService } from './teams.service.ts';

@Controller('admin/v1/teams')
@AdminApi('teams')
export class TeamsController {
  constructor(private readonly teams: TeamsService) {}

  @Post()
  @ApiOperation({ operationId: 'createTeam', summary: 'Make a team that keys and other teams count on' })
  @ApiCreatedResponse({ type: TeamDto, description: 'The team' })
  @ApiProblems(409)
  async createTeam(@Req() request: Request, @Body() wish: CreateTeamDto): Promise<TeamDto> {
    return showTeam(await this.teams.create(actorOf(request), wish));
  }

  @Get()
  @ApiOperation({ operationId: 'listTeams', summary: 'Teams, newest first' })
  @ApiOkResponse({ type: TeamPageDto, description: 'A page of teams' })
  async listTeams(@Query() { limit, cursor }: PageQuery): Promise<TeamPageDto> {
    const rows = await this.teams.page(decodeCursor(cursor, UUID)?.[0], limit + 1);
    return pageOf(rows, limit, ({ id }) => encodeCursor(id), showTeam);
  }

  @Get(':id')
  @ApiOperation({ operationId: 'getTeam', summary: 'One team, and what is used of its limits' })
  @ApiOkResponse({ type: TeamDto, description: 'The team' })
  @ApiById()
  async getTeam(@Param('id', IdPipe) id: string): Promise<TeamDto> {
    return { ...showTeam(await this.teams.get(id)), standing: await this.teams.standing(id) };
  }

  @Patch(':id')
  @ApiOperation({
    operationId: 'updateTeam',
    summary: 'Change settings of a team; null takes a setting back',
  })
  @ApiOkResponse({ type: TeamDto, description: 'The team as it is now' })
  @ApiById()
  @ApiProblems(409)
  async updateTeam(
    @Req() request: Request,
    @Param('id', IdPipe) id: string,
    @Body() wish: UpdateTeamDto,
  ): Promise<TeamDto> {
    return showTeam(await this.teams.update(actorOf(request), id, wish));
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({ operationId: 'deleteTeam', summary: 'Delete a team that no key and no team is in' })
  @ApiNoContentResponse({ description: 'Deleted' })
  @ApiById()
  @ApiProblems(409)
  async deleteTeam(@Req() request: Request, @Param('id', IdPipe) id: string): Promise<void> {
    await this.teams.remove(actorOf(request), id);
  }
}
