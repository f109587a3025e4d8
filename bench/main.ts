import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Child, startServer } from './child.ts';
import { runPhase, type Target } from './measure.ts';
import { type Phase, phasesOf } from './phases.ts';
import { profileClock, topOfProfile, type Window } from './profile.ts';
import { type RelayChild, startRelay } from './relay.ts';
import { describeMachine, LEGEND, tableOf } from './report.ts';

/**
 * `npm run bench`: what llm-relay costs beside a bare Node proxy, on this machine, in this run. Compare ratios, never
 * figures of two runs. `--quick` ends within a minute (Node is not wholly warm by then, so its ratios are too high),
 * `--phase json` runs one phase, `--save` writes RESULTS.md, `--profile` tells where the relay's time goes, and
 * `--beside FOLDER` measures the build of another checkout in the same rounds.
 */
const RESULTS = fileURLToPath(new URL('../../bench/RESULTS.md', import.meta.url));
const PROFILE_LINES = 25;

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    save: { type: 'boolean', default: false },
    profile: { type: 'boolean', default: false },
    phase: { type: 'string', multiple: true },
    beside: { type: 'string' },
  },
});
const phases = phasesOf(options.quick).filter(({ name }) => options.phase?.includes(name) ?? true);
if (phases.length === 0)
  throw new Error(
    `--phase must be one of ${phasesOf(true)
      .map(({ name }) => name)
      .join(', ')}`,
  );

/** Ended once, in the reverse order, whatever happens; what is still starting is waited for. */
const started: Promise<Child>[] = [];
let ending: Promise<void> | undefined;

function endAll(): Promise<void> {
  return (ending ??= (async () => {
    for (const starting of started.reverse()) {
      const child = await starting.catch(() => undefined);
      await child?.stop();
    }
  })());
}

function begin<Server extends Child>(start: () => Promise<Server>): Promise<Server> {
  if (ending !== undefined) throw new Error('the bench is leaving');
  const starting = start();
  started.push(starting);
  return starting;
}

/** Processes that are ended break what is being measured on them; that is no failure when somebody asked to leave. */
let askedToLeave = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    askedToLeave = true;
    void endAll();
  });
}

async function run(profileFolder: string | undefined): Promise<string> {
  const upstream = await begin(() => startServer('upstream'));
  const bare = await begin(() => startServer('bare-proxy', String(upstream.port)));
  const relay = await begin(() => startRelay(upstream.port, { profileFolder }));
  const basis: Target = { name: 'bare Node proxy', ...bare };
  const targets: Target[] = [{ name: 'no proxy', ...upstream }, basis, { name: 'llm-relay', ...relay }];
  if (options.beside !== undefined) {
    const start = resolve(options.beside, 'dist/src/cli/start.js');
    const other = await begin(() => startRelay(upstream.port, { start }));
    targets.push({ name: 'the other build', ...other });
  }

  const tables: string[] = [];
  const windows: [Phase, Window][] = [];
  let answered = 0;
  for (const phase of phases) {
    const from = profileClock();
    const { figures, answers } = await runPhase(phase, targets, basis);
    windows.push([phase, { from, to: profileClock() }]);
    answered += answers.get('llm-relay') ?? 0;
    await checkLedger(relay, answered);
    tables.push(tableOf(phase, figures));
    console.log(`\n${tables.at(-1)}`);
  }
  console.log(`\nThe ledger has ${answered.toLocaleString('en-US')} rows, one for each answer.`);
  await endAll();
  for (const [phase, window] of profileFolder === undefined ? [] : windows) {
    const lines = topOfProfile(join(profileFolder ?? '', 'relay.cpuprofile'), window, PROFILE_LINES);
    console.log(`\nself time of the relay's main thread, ${phase.name}:\n${lines.join('\n')}`);
  }
  return tables.join('\n\n');
}

async function checkLedger(relay: RelayChild, expected: number): Promise<void> {
  const found = await relay.ledger(expected);
  if (Object.keys(found).length !== 1 || found['completed'] !== expected) {
    throw new Error(`${expected} answers, but the ledger has ${JSON.stringify(found)}`);
  }
}

try {
  const machine = describeMachine();
  console.log(`${machine}\n\n${LEGEND}`);
  const profileFolder = options.profile ? mkdtempSync(join(tmpdir(), 'llm-relay-profile-')) : undefined;
  const tables = await run(profileFolder);
  if (profileFolder !== undefined)
    console.log(`\nthe whole profile: ${join(profileFolder, 'relay.cpuprofile')}`);
  if (options.save) {
    const how = 'Written by `npm run bench -- --save`.';
    writeFileSync(
      RESULTS,
      `# Results

${how} ${LEGEND}

${machine}

${tables}
`,
    );
  }
} catch (error) {
  if (!askedToLeave) throw error;
  process.exitCode = 130;
} finally {
  await endAll();
}
