import type { EntityManager } from 'typeorm';
import type { Limits } from './limits.ts';
import { LIMIT_COLUMNS, limitParameters, limitsOf } from './limits.repository.ts';

type Database = Pick<EntityManager, 'query'>;

export interface Team {
  readonly id: string;
  readonly name: string;
  readonly parent: string | null;
  readonly limits: Limits;
  /** The team itself, its parent, that one's parent, and so on. */
  readonly path: readonly string[];
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** What still counts on a team. */
export interface Dependants {
  readonly keys: number;
  readonly teams: number;
}

const TEAM = `m.id, m.name, m.parent_id as parent, ${limitsOf('m')}, m.path, m.created_at as "createdAt",
  m.updated_at as "updatedAt"`;
const COLUMNS = ['version', 'name', 'parent_id', 'path', ...LIMIT_COLUMNS].join(', ');
const PLACES = [2, 3, 4, 5, ...LIMIT_COLUMNS.map((_, index) => index + 6)].map((n) => `$${n}`).join(', ');

/** Deleted teams are not found. */
export async function findTeam(database: Database, id: string): Promise<Team | undefined> {
  const rows = await database.query<Team[]>(
    `select ${TEAM} from teams m where m.id = $1 and m.deleted_at is null`,
    [id],
  );
  return rows[0];
}

/** Newest first (ids are time-ordered), below `beforeId` when there is one. */
export async function pageOfTeams(
  database: Database,
  beforeId: string | undefined,
  limit: number,
): Promise<Team[]> {
  return database.query<Team[]>(
    `select ${TEAM} from teams m where m.deleted_at is null and ($1::uuid is null or m.id < $1)
      order by m.id desc limit $2`,
    [beforeId ?? null, limit],
  );
}

export type TeamSettings = Pick<Team, 'id' | 'name' | 'parent' | 'path' | 'limits'>;

export async function insertTeam(tx: Database, version: bigint, team: TeamSettings): Promise<void> {
  await tx.query(`insert into teams (id, ${COLUMNS}) values ($1, ${PLACES})`, parameters(version, team));
  await tx.query('insert into team_state (id) values ($1)', [team.id]);
}

export async function updateTeam(tx: Database, version: bigint, team: TeamSettings): Promise<void> {
  await tx.query(
    `update teams set (${COLUMNS}, updated_at) = (${PLACES}, now()) where id = $1`,
    parameters(version, team),
  );
}

/** How many teams stand in the longest line from this one down, itself included. */
export async function heightOf(tx: Database, { id, path }: Team): Promise<number> {
  const [row] = await tx.query<{ height: number }[]>(
    `select coalesce(max(cardinality(path)), $2) - $2 + 1 as height from teams
      where path @> array[$1::uuid] and deleted_at is null`,
    [id, path.length],
  );
  return row?.height ?? 1;
}

/**
 * Waits until no admission of a key below the team is under way, and keeps others waiting until the transaction ends:
 * an admission reads the line of teams in more than one statement, and must see one line only.
 */
export async function holdAdmissions(tx: Database, teamId: string): Promise<void> {
  await tx.query(
    `select 1 from key_state s where s.id in (
       select k.id from api_keys k join teams m on m.id = k.team_id where m.path @> array[$1::uuid])
     order by s.id for no key update`,
    [teamId],
  );
}

/** Gives all teams below one whose line upwards was `before` its new line. */
export async function movePaths(
  tx: Database,
  version: bigint,
  before: Team,
  path: readonly string[],
): Promise<void> {
  await tx.query(
    `update teams
        set path = path[1 : cardinality(path) - $3::integer] || $4::uuid[], version = $2, updated_at = now()
      where path @> array[$1::uuid] and id <> $1`,
    [before.id, version.toString(), before.path.length, path],
  );
}

export async function dependantsOf(tx: Database, id: string): Promise<Dependants> {
  const [row] = await tx.query<Dependants[]>(
    `select (select count(*) from api_keys where team_id = $1 and deleted_at is null)::integer as keys,
            (select count(*) from teams where parent_id = $1 and deleted_at is null)::integer as teams`,
    [id],
  );
  return row ?? { keys: 0, teams: 0 };
}

/** The row stays for what was charged to it; the name becomes free. */
export async function markTeamDeleted(tx: Database, id: string, version: bigint): Promise<void> {
  await tx.query('update teams set version = $2, deleted_at = now(), updated_at = now() where id = $1', [
    id,
    version.toString(),
  ]);
}

function parameters(version: bigint, team: TeamSettings): unknown[] {
  return [team.id, version.toString(), team.name, team.parent, team.path, ...limitParameters(team.limits)];
}
