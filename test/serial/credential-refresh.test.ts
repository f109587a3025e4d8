import { ConfigWatch } from '../../src/database/config-watch.ts';
import { asking, onlyRow, send } from '../support/asking.ts';
import { eventually } from '../support/eventually.ts';
import { admin, Rehearsal } from '../support/relay.ts';

/** One credential, many calls, several replicas: who renews it, and what the calls meanwhile come to. */

const REPLICAS = 3;
const CALLS = 50;

let rehearsal: Rehearsal;

beforeAll(async () => {
  rehearsal = await Rehearsal.start();
  await rehearsal.addReplica();
  // The last one hears of nothing by itself: what it holds in memory stays old.
  await rehearsal.addReplica({ RELAY_CONFIG_HINT: 'off', RELAY_CONFIG_POLL_MS: '600000' });
});
afterEach(() => eventually(() => rehearsal.quiet()));
afterAll(() => rehearsal.close());

interface Place {
  readonly account: string;
  readonly key: string;
  readonly accessToken: string;
}

async function placeFor(more: object = {}): Promise<Place> {
  const { oauth, url } = rehearsal.simulator;
  const pair = oauth.grant();
  const credentials = { ...pair, tokenUrl: `${url}/oauth/token`, ...more };
  const { id } = await rehearsal.claudeAccount({ credentials });
  const { key } = await rehearsal.key({ accounts: [id] });
  await rehearsal.replica(2).app.get(ConfigWatch).refresh();
  return { account: id, key, accessToken: pair.accessToken };
}

async function ask(place: Place, replica = 0) {
  const one = asking('Claude SSE', place.key, 'Hello.');
  const answer = await send(rehearsal.replica(replica).url, one);
  return { answer, row: await onlyRow(rehearsal, one) };
}

/** 150 calls at once, which is why nothing else runs beside this file: their rows are read with one statement, when all of them are there. */
async function everyCall(place: Place) {
  const asked = Array.from({ length: REPLICAS * CALLS }, () => asking('Claude SSE', place.key, 'Hello.'));
  const answers = await Promise.all(asked.map((one, at) => send(rehearsal.replica(at % REPLICAS).url, one)));
  const ids = asked.map(({ clientRequestId }) => clientRequestId);
  const outcomes = await eventually(async () => {
    const rows = await rehearsal.sql<{ outcome: string }>(
      'select outcome from ledger where client_request_id = any($1)',
      [ids],
    );
    expect(rows).toHaveLength(asked.length);
    return rows.map(({ outcome }) => outcome);
  }, 25_000);
  return { answers, outcomes };
}

const refreshes = (): number => rehearsal.simulator.oauth.refreshes;

describe('U20: a token that has expired', () => {
  it('is renewed once for 3 replicas with 50 calls each, whom the upstream refuses, and all succeed', async () => {
    const place = await placeFor();
    // Every replica has the token in memory, and none knows when it expires.
    for (let replica = 0; replica < REPLICAS; replica += 1) {
      expect((await ask(place, replica)).answer.status).toBe(200);
    }
    rehearsal.simulator.oauth.expire(place.accessToken);
    const before = refreshes();
    const { answers, outcomes } = await everyCall(place);
    expect(refreshes() - before).toBe(1);
    expect(answers.filter(({ status, broken }) => status === 200 && !broken)).toHaveLength(150);
    expect(outcomes.filter((outcome) => outcome === 'completed')).toHaveLength(150);
    const [stored] = await rehearsal.sql('select version from account_credentials where account_id = $1', [
      place.account,
    ]);
    expect(stored).toEqual({ version: 2 });
  });

  it('is renewed once, before anything is sent with it, where its time is known', async () => {
    const place = await placeFor({ expiresAt: new Date(Date.now() - 1_000).toISOString() });
    const before = refreshes();
    const seen = rehearsal.simulator.requests.length;
    const { answers } = await everyCall(place);
    expect(refreshes() - before).toBe(1);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(150);
    const sent = rehearsal.simulator.requests.slice(seen);
    expect(sent.filter(({ credential }) => credential === place.accessToken)).toEqual([]);
    expect(sent.filter(({ status }) => status !== 200)).toEqual([]);
  });
});

describe('U22: a renewal that goes wrong', () => {
  it('by hanging fails its own call with a wait, and parks nothing; others are served meanwhile', async () => {
    const place = await placeFor();
    const other = await rehearsal.claudeAccount();
    const { key } = await rehearsal.key({ accounts: [other.id] });
    rehearsal.simulator.oauth.expire(place.accessToken);
    // With a status, so that the server has not spent the refresh token when it hangs.
    const fault = { hang: 'head', status: 503 } as const;
    const stop = rehearsal.simulator.plan({ path: '/oauth/token', fault });
    const hanging = ask(place);
    let over = false;
    void hanging.then(() => (over = true));
    await eventually(() => {
      expect(rehearsal.simulator.requests.some(({ url, ended }) => url === '/oauth/token' && !ended)).toBe(
        true,
      );
    });
    const { answer: served } = await ask({ ...place, key });
    expect(served.status).toBe(200);
    expect(over).toBe(false);

    const { answer, row } = await hanging;
    expect(answer.status).toBe(503);
    expect(Number(answer.headers['retry-after'])).toBeGreaterThanOrEqual(1);
    expect(answer.headers).not.toHaveProperty('x-should-retry');
    expect(JSON.parse(answer.text)).toMatchObject({ type: 'error', error: { type: 'overloaded_error' } });
    expect(row).toMatchObject({ outcome: 'failed', status: 401, cost_nanos: '0' });
    stop();
    expect(await rehearsal.sql('select from cooldowns where account_id = $1', [place.account])).toEqual([]);
    expect((await ask(place)).answer.status).toBe(200);
  });

  it('in a replica whose token was renewed elsewhere takes the newer one, and spends no old one', async () => {
    const place = await placeFor();
    expect((await ask(place, 2)).answer.status).toBe(200);
    rehearsal.simulator.oauth.expire(place.accessToken);
    const before = refreshes();
    expect((await ask(place, 0)).answer.status).toBe(200);
    // The refresh token that this replica may still hold is spent: asked with it, the server says invalid_grant.
    const asked = rehearsal.simulator.requests.length;
    expect((await ask(place, 2)).answer.status).toBe(200);
    expect(rehearsal.simulator.requests.slice(asked).map(({ url }) => url)).toEqual(['/v1/messages']);
    expect(refreshes() - before).toBe(1);
    expect(await rehearsal.sql('select from cooldowns where account_id = $1', [place.account])).toEqual([]);
  });

  it('by invalid_grant works, when a newer credential is stored meanwhile', async () => {
    const place = await placeFor();
    const { simulator } = rehearsal;
    simulator.oauth.expire(place.accessToken);
    const fault = { latency: 700, status: 400, type: 'invalid_grant' };
    const stop = simulator.plan({ path: '/oauth/token', fault });
    const refused = ask(place);
    await eventually(() => {
      expect(simulator.requests.some(({ url, ended }) => url === '/oauth/token' && !ended)).toBe(true);
    });
    // While the row is held for the renewal an edit is told to come again.
    const credentials = { ...simulator.oauth.grant(), tokenUrl: `${simulator.url}/oauth/token` };
    await eventually(async () => expect(await patchCredentials(place.account, credentials)).toBe(200));
    // Refused before the edit could be stored, or served with what was stored.
    expect([200, 503]).toContain((await refused).answer.status);
    stop();
    for (let replica = 0; replica < REPLICAS; replica += 1) {
      expect((await ask(place, replica)).answer.status).toBe(200);
    }
  });

  it('by invalid_grant alone parks the account until there is a new credential', async () => {
    const place = await placeFor({ refreshToken: 'sim-refresh-of-nobody' });
    rehearsal.simulator.oauth.expire(place.accessToken);
    const { answer, row } = await ask(place);
    expect(answer.status).toBe(503);
    expect(answer.headers['x-should-retry']).toBe('false');
    expect(row).toMatchObject({ outcome: 'failed', status: 401, reason: 'authentication' });
    const asked = rehearsal.simulator.requests.length;
    const one = asking('Claude SSE', place.key, 'Hello.');
    expect((await send(rehearsal.replica(1).url, one)).status).toBe(503);
    expect(rehearsal.simulator.requests).toHaveLength(asked);

    const credentials = {
      ...rehearsal.simulator.oauth.grant(),
      tokenUrl: `${rehearsal.simulator.url}/oauth/token`,
    };
    expect(await patchCredentials(place.account, credentials)).toBe(200);
    for (let replica = 0; replica < REPLICAS; replica += 1) {
      expect((await ask(place, replica)).answer.status).toBe(200);
    }
  });
});

async function patchCredentials(account: string, credentials: object): Promise<number> {
  const answer = await admin(rehearsal.url, 'PATCH', `/accounts/${account}`, { credentials });
  return answer.status;
}
