import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Children } from './children.ts';
import { checkLedger } from './ledger-check.ts';
import type { FiguresByTarget } from './figures.ts';
import { phaseList } from './phase-list.ts';
import { profileClock, topOfProfile, type Window } from './profile.ts';
import { type Findings, reachOf } from './reach.ts';
import { describeMachine, LEGEND, markdownOf, type Table } from './report.ts';
import { summaryOf } from './summary.ts';
import { type Bench, NGINX, startBench } from './targets.ts';

/**
 * `npm run bench`: what llm-relay costs beside a bare Node proxy, on this machine, in this run. Compare ratios, never
 * figures of two runs. `--quick` ends within two minutes (Node is not wholly warm by then, so its ratios are too high),
 * `--phase json` runs one phase and may be repeated, `--write` writes RESULTS.md (a file of its own for another Node than
 * the image's), `--ledger FOLDER` measures admission on the ten million rows that `year.js` left there, `--profile` tells
 * where the relay's time goes, and `--beside FOLDER` measures the build of another checkout in the same rounds.
 */
const PROFILE_LINES = 25;
const [NODE_MAJOR] = process.versions.node.split('.');
/** The image runs Node 24; what another one reaches stands apart. */
const RESULTS_NAME = NODE_MAJOR === '24' ? 'RESULTS.md' : `RESULTS-node-${NODE_MAJOR}.md`;
const RESULTS = fileURLToPath(new URL(`../../bench/${RESULTS_NAME}`, import.meta.url));
const FILLING =
  'take half an hour to fill: `node dist/bench/year.js --folder FOLDER`, then `npm run bench -- --phase admission --ledger FOLDER`';

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    profile: { type: 'boolean', default: false },
    phase: { type: 'string', multiple: true },
    ledger: { type: 'string' },
    beside: { type: 'string' },
  },
});

const children = new Children();
const phases = phaseList({ quick: options.quick, ledgerFolder: options.ledger }, children);
const chosen = phases.filter(({ name, long }) => options.phase?.includes(name) ?? !(options.quick && long));
if (options.phase?.some((asked) => !phases.some(({ name }) => name === asked)) === true)
  throw new Error(`--phase must be one of ${phases.map(({ name }) => name).join(', ')}`);

/** Processes that are ended break what is being measured on them; that is no failure when somebody asked to leave. */
let askedToLeave = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    askedToLeave = true;
    void children.end();
  });
}

/** Each phase in turn; answers the tables, the last of which say what was reached. */
async function run(bench: Bench, windows: Map<string, Window>): Promise<readonly Table[]> {
  const tables: Table[] = [];
  const tell = (...more: readonly Table[]): void => {
    tables.push(...more);
    for (const table of more) console.log(`\n${markdownOf(table)}`);
  };
  const booked = { completed: 0, left: 0 };
  const figures = new Map<string, FiguresByTarget>();
  let findings: Findings = {};
  for (const phase of chosen) {
    const from = profileClock();
    const found = await phase.run(bench);
    const to = profileClock();
    windows.set(phase.name, { from, to });
    booked.completed += found.completed;
    booked.left += found.left;
    await checkLedger(bench.relay, booked);
    if (found.figures !== undefined) figures.set(phase.name, found.figures);
    findings = { ...findings, ...found.findings };
    tell(...found.tables);
    console.log(`\n(${phase.name}: ${((to - from) / 1e6).toFixed(0)} s)`);
  }
  console.log(`\nThe ledger has a row for each of ${booked.completed + booked.left} calls.`);
  if (figures.size > 0) tell(summaryOf(figures));
  const reach = reachOf(findings, options.quick, options.phase !== undefined);
  if (reach.rows.length > 0) tell(reach);
  return tables;
}

/** What is not in the tables, and how to get it. */
function notMeasured(bench: Bench): readonly string[] {
  if (options.phase !== undefined) return [];
  const skipped = phases
    .filter((phase) => !chosen.includes(phase))
    .map(({ name }) => `${name}, too long for a quick run: \`npm run bench -- --phase ${name}\``);
  if (!bench.targets.some(({ name }) => name === NGINX)) skipped.push('nginx, which is not installed');
  if (options.ledger === undefined) skipped.push(`admission on ten million rows, which ${FILLING}`);
  return skipped.map((what) => `- skipped: ${what}`);
}

try {
  const machine = describeMachine();
  console.log(`${machine}\n\n${LEGEND}`);
  const profileFolder = options.profile ? mkdtempSync(join(tmpdir(), 'llm-relay-profile-')) : undefined;
  const bench = await startBench(children, profileFolder, options.beside);
  const windows = new Map<string, Window>();
  const tables = await run(bench, windows);
  const skipped = notMeasured(bench).join('\n');
  if (skipped !== '') console.log(`\n${skipped}`);
  if (options.write) {
    const words = process.argv.slice(2).map((word) => (word === options.ledger ? 'FOLDER' : word));
    const how = `Written by \`npm run bench -- ${words.join(' ')}\`.`;
    const parts = [`# Results`, `${how} ${LEGEND}`, machine, ...tables.map(markdownOf), skipped];
    writeFileSync(RESULTS, `${parts.filter(Boolean).join('\n\n')}\n`);
  }
  await children.end();
  if (profileFolder !== undefined) tellProfile(join(profileFolder, 'relay.cpuprofile'), windows);
} catch (error) {
  if (!askedToLeave) throw error;
  process.exitCode = 130;
} finally {
  await children.end();
}

/** The relay has ended: only then is its profile written. */
function tellProfile(path: string, windows: ReadonlyMap<string, Window>): void {
  for (const [name, window] of windows) {
    const lines = topOfProfile(path, window, PROFILE_LINES);
    console.log(`\nself time of the relay's main thread, ${name}:\n${lines.join('\n')}`);
  }
  console.log(`\nthe whole profile: ${path}`);
}
