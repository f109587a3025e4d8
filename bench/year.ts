import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { admissionGrowth } from './admission-growth.ts';
import type { LedgerSize } from './full-ledger.ts';
import { openLedgers } from './ledgers.ts';
import { tellPlans } from './plans.ts';
import { markdownOf } from './report.ts';

/**
 * `node dist/bench/year.js` after `npm run build && npx tsc -p tsconfig.bench.json`: a database that has served for a
 * year. How its reports are read (`--plans whole` for all of each plan), and what an admission and its settlement cost
 * on it beside an empty one, by batch size, in turns and in one run. Ten million rows take 25 GB in the temporary
 * folder; with `--folder` they stay there for the next run, and for `npm run bench -- --ledger FOLDER`.
 */
const { values: options } = parseArgs({
  options: {
    rows: { type: 'string', default: '10000000' },
    months: { type: 'string', default: '12' },
    keys: { type: 'string', default: '100000' },
    accounts: { type: 'string', default: '1000' },
    plans: { type: 'string', default: 'short' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '1' },
    batches: { type: 'string', default: '1,8,32' },
    folder: { type: 'string' },
  },
});

const FULL: LedgerSize = {
  rows: Number(options.rows),
  months: Number(options.months),
  keys: Number(options.keys),
  accounts: Number(options.accounts),
};

const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'llm-relay-year-'));
try {
  const ledgers = await openLedgers(folder, FULL, (sentence) => console.log(`  ${sentence}`));
  try {
    const { full, size } = ledgers;
    if (options.plans !== 'none') {
      console.log(`\nreports, ${size.rows} rows, ${size.keys} keys, ${size.accounts} accounts:`);
      await tellPlans(full.url, full, options.plans === 'whole', (line) => console.log(`  ${line}`));
    }
    const [rounds, seconds] = [Number(options.rounds), Number(options.seconds)];
    for (const batch of options.batches.split(',').filter(Boolean).map(Number)) {
      const { table } = await admissionGrowth(ledgers, { batch, rounds, seconds });
      console.log(`\n${markdownOf(table)}`);
    }
  } finally {
    await ledgers.stop();
  }
} finally {
  if (options.folder === undefined) rmSync(folder, { recursive: true, force: true });
}
