import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { admissionGrowth } from '../../bench/admission-growth.ts';
import { type Ledgers, openLedgers } from '../../bench/ledgers.ts';
import { markdownOf } from '../../bench/report.ts';

const ROWS = Number(process.env['RELAY_TEST_ROWS'] ?? 10_000_000);
const SIZE = { rows: ROWS, months: 12, keys: 100_000, accounts: 1_000 };
/** A folder in which the rows stay for the next run: ten million take 25 GB. */
const KEPT = process.env['RELAY_TEST_LEDGER'];
const FILLED_WITHIN_MS = 5_400_000;
const ALLOWED = 1.3;

/** L6, by Postgres' own time of an admission, which says the same on a busy machine. */
describe('a database that has served for a year', () => {
  const folder = KEPT ?? mkdtempSync(join(tmpdir(), 'relay-full-ledger-'));
  let ledgers: Ledgers;

  beforeAll(async () => {
    ledgers = await openLedgers(folder, SIZE, () => undefined);
  }, FILLED_WITHIN_MS);
  afterAll(async () => {
    await ledgers.stop();
    if (KEPT === undefined) rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  it.each([1, 8])(
    'L6: admits at the cost of an empty one, in statements of %i',
    async (batch) => {
      const { table, ratio } = await admissionGrowth(ledgers, { batch, rounds: 5, seconds: 1 });
      process.stdout.write(`${markdownOf(table)}\n${ratio.toFixed(3)} times\n`);
      expect(ledgers.size.rows).toBeGreaterThan(0.95 * ROWS);
      expect(ratio).toBeLessThanOrEqual(ALLOWED);
    },
    600_000,
  );
});
