import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { ConfigChanges } from '../database/config-changes.ts';
import { violates } from '../database/database-conflict.ts';
import { ProblemError } from '../errors/problem-error.ts';
import { changedLimits, NO_LIMITS, showLimits } from './limits.ts';
import { holderOfTeam } from './limits.repository.ts';
import type { StandingDto } from './standing.dto.ts';
import { standingOf } from './standing.ts';
import type { CreateTeamDto, TeamDto, UpdateTeamDto } from './team.dto.ts';
import {
  dependantsOf,
  findTeam,
  heightOf,
  holdAdmissions,
  insertTeam,
  markTeamDeleted,
  movePaths,
  pageOfTeams,
  updateTeam,
  type Team,
} from './teams.repository.ts';

/** Teams in one line from the top: each call takes from all of them. */
const MOST_LEVELS = 8;

interface Edit {
  readonly before: Team;
  readonly after: Team;
}

/**
 * The administrator's reads and writes of teams. Admission reads the rows themselves, so a change holds on every
 * replica with its commit. Writes of settings wait for each other, so no two of them can close a circle together.
 */
@Injectable()
export class TeamsService {
  constructor(
    private readonly database: DataSource,
    private readonly changes: ConfigChanges,
  ) {}

  async page(beforeId: string | undefined, limit: number): Promise<Team[]> {
    return pageOfTeams(this.database, beforeId, limit);
  }

  /** @throws ProblemError 404 */
  async get(id: string): Promise<Team> {
    return known(await findTeam(this.database, id));
  }

  /** @throws ProblemError 404 */
  async standing(id: string): Promise<StandingDto> {
    return standingOf(known(await holderOfTeam(this.database, id)));
  }

  /** @throws ProblemError 400 naming each wrong field, 409 when the name is taken */
  async create(actor: string, wish: CreateTeamDto): Promise<Team> {
    const id = uuidv7();
    const entry = { ...entryOf(actor, 'create', id), after: showTeam };
    return named(() =>
      this.changes.write<Team>(entry, async (tx, version) => {
        const parent = wish.parent?.toLowerCase() ?? null;
        const path = [id, ...(await lineAbove(tx, parent, id, 1))];
        const limits = changedLimits(wish.limits, NO_LIMITS);
        await insertTeam(tx, version, { id, name: wish.name, parent, path, limits });
        return known(await findTeam(tx, id));
      }),
    );
  }

  /** @throws ProblemError 400 naming each wrong field, 404, 409 when the name is taken */
  async update(actor: string, id: string, wish: UpdateTeamDto): Promise<Team> {
    const entry = {
      ...entryOf(actor, 'update', id),
      before: ({ before }: Edit) => showTeam(before),
      after: ({ after }: Edit) => showTeam(after),
    };
    const work = async (tx: EntityManager, version: bigint): Promise<Edit> => {
      const before = known(await findTeam(tx, id));
      const moved = { ...before, ...(await this.move(tx, version, before, wish.parent)) };
      const limits = changedLimits(wish.limits, before.limits);
      await updateTeam(tx, version, { ...moved, name: wish.name ?? before.name, limits });
      return { before, after: known(await findTeam(tx, id)) };
    };
    return (await named(() => this.changes.write<Edit>(entry, work))).after;
  }

  /** What was charged to it stays. @throws ProblemError 404, 409 while keys or teams are in it */
  async remove(actor: string, id: string): Promise<void> {
    const entry = { ...entryOf(actor, 'delete', id), before: showTeam };
    await this.changes.write<Team>(entry, async (tx, version) => {
      const before = known(await findTeam(tx, id));
      const { keys, teams } = await dependantsOf(tx, id);
      if (keys + teams > 0) {
        throw ProblemError.of(
          409,
          `The team still has keys (${keys}) or teams (${teams}) in it; move them first`,
        );
      }
      await markTeamDeleted(tx, id, version);
      return before;
    });
  }

  /** The new parent and line of a team that is to be moved; nothing for one that stays. */
  private async move(
    tx: EntityManager,
    version: bigint,
    before: Team,
    wish: string | null | undefined,
  ): Promise<Partial<Pick<Team, 'parent' | 'path'>>> {
    const parent = wish && wish.toLowerCase();
    if (parent === undefined || parent === before.parent) return {};
    const path = [before.id, ...(await lineAbove(tx, parent, before.id, await heightOf(tx, before)))];
    await holdAdmissions(tx, before.id);
    await movePaths(tx, version, before, path);
    return { parent, path };
  }
}

export function showTeam(team: Team): TeamDto {
  return {
    id: team.id,
    name: team.name,
    parent: team.parent,
    limits: showLimits(team.limits),
    createdAt: team.createdAt.toISOString(),
    updatedAt: team.updatedAt.toISOString(),
  };
}

/** The parent's line. @throws ProblemError 400 when there is none, the team is in it, or it would be too long */
async function lineAbove(
  tx: EntityManager,
  parent: string | null,
  id: string,
  height: number,
): Promise<readonly string[]> {
  if (parent === null) return [];
  const refuse = (problem: string): never => {
    throw ProblemError.fields([{ field: 'parent', problem }]);
  };
  const above = (await findTeam(tx, parent)) ?? refuse(`is ${parent}, which is no team`);
  if (above.path.includes(id)) refuse('is the team itself or one below it');
  if (above.path.length + height > MOST_LEVELS) refuse(`makes more than ${MOST_LEVELS} levels of teams`);
  return above.path;
}

function entryOf(actor: string, verb: string, resourceId: string) {
  return { actor, action: `team.${verb}`, resource: 'team', resourceId };
}

function known<T>(found: T | undefined): T {
  if (found === undefined) throw ProblemError.of(404, 'There is no team with this id');
  return found;
}

async function named<T>(write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    if (!violates(error, 'teams_name')) throw error;
    throw new ProblemError(409, 'Conflict', 'Another team has this name', [
      { field: 'name', problem: 'is taken by another team' },
    ]);
  }
}
