import { closeLentDispatcher } from '../support/genai.ts';
import { Rehearsal } from '../support/relay.ts';
import { CASES, type Cell, failureOf } from './cases.ts';
import { ACCOUNTS, type AccountName, type DoorName, DOORS, type Reach } from './cells.ts';

/** Every case on every account that a door reaches, with the door's official client, over sockets. */
export function runDoor(door: DoorName): void {
  const { title, driver: makeDriver, reaches } = DOORS[door];
  let rehearsal: Rehearsal;
  let key: string;
  const cells = Object.entries(reaches) as [AccountName, Reach][];

  beforeAll(async () => {
    rehearsal = await Rehearsal.start();
    await Promise.all(cells.map(([account]) => ACCOUNTS[account].make(rehearsal)));
    key = (await rehearsal.key({ scopes: ['claude', 'gemini', 'openai', 'bedrock'] })).key;
  });
  afterEach(async () => {
    await rehearsal.quiet();
    rehearsal.simulator.clear();
  });
  afterAll(async () => {
    await rehearsal.close();
    await closeLentDispatcher();
  });

  describe.each(cells)(`the door "${title}", served by %s (%s)`, (account, reach) => {
    const cell = (): Cell => ({
      door,
      account,
      serving: ACCOUNTS[account],
      driver: makeDriver({ url: rehearsal.url, key }),
      simulator: rehearsal.simulator,
      lastRow: () => rehearsal.lastRow(),
    });
    for (const one of CASES) {
      if (one.absent?.(door, account) !== undefined) continue;
      if (one.refused?.(door, account) === undefined) it(one.title, () => one.run(cell()));
      else
        it(`${one.title}, refused by name`, async () => {
          const here = cell();
          const told = here.driver.told(await failureOf(one.run(here)));
          expect(told).toMatchObject({
            status: 400,
            message: expect.stringMatching(/format|schema|outputConfig/i) as unknown,
          });
          if (reach === 'translated') expect(rehearsal.simulator.requests).toHaveLength(0);
        });
    }
  });
}
