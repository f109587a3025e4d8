import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Child, startServer } from './child.ts';
import { runPhase, type Target } from './measure.ts';
import { openStreams, STALLED, stalledReaders, WARM_UP_ANSWERS } from './open-streams.ts';
import { type LoadPhase, loadPhases } from './phases.ts';
import { profileClock, topOfProfile, type Window } from './profile.ts';
import { type RelayChild, startOf, startRelay } from './relay.ts';
import { describeMachine, LEGEND, markdownOf, type Table, tableOf } from './report.ts';
import { workersBesideOne } from './scaling.ts';
import { startTimes } from './start-time.ts';

/**
 * `npm run bench`: what llm-relay costs beside a bare Node proxy, on this machine, in this run. Compare ratios, never
 * figures of two runs. `--quick` ends within two minutes (Node is not wholly warm by then, so its ratios are too high),
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

/** What runs against the same servers, and what it leaves in llm-relay's ledger. */
interface Phase {
  readonly name: string;
  run(bench: Bench): Promise<{ readonly table: Table; readonly completed: number; readonly left: number }>;
}

interface Bench {
  readonly targets: readonly Target[];
  /** The bare proxy. */
  readonly basis: Target;
  readonly upstream: Child;
}

const RELAY = 'llm-relay';
const OPEN_STREAMS = options.quick ? 300 : 1_000;

function loadPhase(phase: LoadPhase): Phase {
  return {
    name: phase.name,
    async run({ targets, basis }) {
      const { figures, answers } = await runPhase(phase, targets, basis);
      return { table: tableOf(phase, figures), completed: answers.get(RELAY) ?? 0, left: 0 };
    },
  };
}

const PHASES: readonly Phase[] = [
  ...loadPhases(options.quick).map(loadPhase),
  {
    name: 'open-streams',
    async run({ targets, upstream }) {
      const table = await openStreams(targets.slice(1), upstream.port, OPEN_STREAMS);
      return { table, completed: WARM_UP_ANSWERS, left: OPEN_STREAMS };
    },
  },
  {
    name: 'stalled-readers',
    async run({ targets }) {
      return { table: await stalledReaders(targets.slice(1)), completed: WARM_UP_ANSWERS, left: STALLED };
    },
  },
  {
    name: 'workers',
    async run({ upstream: { port } }) {
      const [json] = loadPhases(options.quick);
      if (json === undefined) throw new Error('there is no phase to ask');
      const ports = { upstream: port, bedrock: port };
      // Each of the two is to be as warm as the one.
      const phase = { ...json, warmUp: 2 * json.warmUp };
      const start = (workers: number): Promise<RelayChild> => begin(() => startRelay(ports, { workers }));
      return { table: await workersBesideOne(phase, start), completed: 0, left: 0 };
    },
  },
  {
    name: 'start',
    async run() {
      return { table: await startTimes(options.quick ? 1 : 5), completed: 0, left: 0 };
    },
  },
];
/** Starts two more relays: too long for a quick run that did not ask for it. */
const LONG = 'workers';
const phases = PHASES.filter(
  ({ name }) => options.phase?.includes(name) ?? !(options.quick && name === LONG),
);
if (phases.length === 0)
  throw new Error(`--phase must be one of ${PHASES.map(({ name }) => name).join(', ')}`);

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

async function startBench(
  profileFolder: string | undefined,
): Promise<Bench & { readonly relay: RelayChild }> {
  const upstream = await begin(() => startServer('upstream'));
  const bedrock = await begin(() => startServer('bedrock-upstream', '200'));
  const ports = { upstream: upstream.port, bedrock: bedrock.port };
  const bare = await begin(() => startServer('bare-proxy', String(upstream.port)));
  const relay = await begin(() => startRelay(ports, { profileFolder }));
  const basis: Target = { name: 'bare Node proxy', ...bare };
  const targets: Target[] = [{ name: 'no proxy', ...upstream }, basis, { name: RELAY, ...relay }];
  if (options.beside !== undefined) {
    const start = startOf(options.beside);
    const other = await begin(() => startRelay(ports, { start }));
    targets.push({ name: 'the other build', ...other });
  }
  return { upstream, basis, targets, relay };
}

async function run(profileFolder: string | undefined): Promise<string> {
  const bench = await startBench(profileFolder);
  const tables: string[] = [];
  const windows: [name: string, Window][] = [];
  const booked = { completed: 0, left: 0 };
  for (const phase of phases) {
    const from = profileClock();
    const { table, completed, left } = await phase.run(bench);
    windows.push([phase.name, { from, to: profileClock() }]);
    booked.completed += completed;
    booked.left += left;
    await checkLedger(bench.relay, booked);
    tables.push(markdownOf(table));
    console.log(`\n${tables.at(-1)}`);
  }
  console.log(`\nThe ledger has a row for each of ${booked.completed + booked.left} calls.`);
  await endAll();
  for (const [name, window] of profileFolder === undefined ? [] : windows) {
    const lines = topOfProfile(join(profileFolder ?? '', 'relay.cpuprofile'), window, PROFILE_LINES);
    console.log(`\nself time of the relay's main thread, ${name}:\n${lines.join('\n')}`);
  }
  return tables.join('\n\n');
}

/** Every answer is booked as completed, and every client that hung up as one that left. */
async function checkLedger(
  relay: RelayChild,
  { completed, left }: { completed: number; left: number },
): Promise<void> {
  const { completed: whole = 0, 'client-left': hungUp = 0, ...others } = await relay.ledger(completed + left);
  if (whole !== completed || hungUp !== left || Object.keys(others).length > 0) {
    const found = JSON.stringify({ completed: whole, 'client-left': hungUp, ...others });
    throw new Error(`${completed} answers and ${left} clients that left, but the ledger has ${found}`);
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
