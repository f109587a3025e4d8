import { rm } from 'node:fs/promises';
import { admissionGrowth } from './admission-growth.ts';
import { statementsPerCall } from './admissions.ts';
import type { Children } from './children.ts';
import { openLedgers } from './ledgers.ts';
import { runPhase, type Target } from './measure.ts';
import {
  openStreams,
  openStreamsTable,
  STALLED,
  stalledReaders,
  stalledReadersTable,
  WARM_UP_ANSWERS,
} from './open-streams.ts';
import type { Phase } from './phase.ts';
import { jsonPhase, type LoadPhase, loadPhases } from './phases.ts';
import { type Findings, findingsOf } from './reach.ts';
import { replicasOnOnePostgres, startFleet } from './replicas.ts';
import { relayFolder } from './relay.ts';
import { tableOf } from './report.ts';
import { workersBesideOne } from './scaling.ts';
import { startTimes, startTimesTable } from './start-time.ts';
import { type Bench, NGINX, NO_PROXY, RELAY } from './targets.ts';

const MOST_REPLICAS = 3;
/** What a run fills for itself; ten million take half an hour. */
const OWN_LEDGER = { rows: 500_000, months: 12, keys: 100_000, accounts: 1_000 };
/** With fewer rows than this, what an admission costs says nothing of ten million. */
const GROWN_ROWS = 9_500_000;

/** Of a phase that has relays of its own, or none. */
const NOTHING_BOOKED = { completed: 0, left: 0 };

export interface Extent {
  readonly quick: boolean;
  /** Of an earlier run of `year.js`. */
  readonly ledgerFolder: string | undefined;
}

/** In the order of a run. */
export function phaseList(extent: Extent, children: Children): readonly Phase[] {
  const { quick } = extent;
  return [
    ...loadPhases(quick).map(loadPhase),
    stalledReadersPhase(quick ? 2_000 : 4_000),
    // It has garbage collected, which makes a heap smaller than any that serves.
    openStreamsPhase(quick ? 300 : 1_000),
    startPhase(quick ? 1 : 5),
    workersPhase(quick),
    replicasPhase(quick, children),
    admissionPhase(extent, children),
  ];
}

function loadPhase(phase: LoadPhase): Phase {
  return {
    name: phase.name,
    async run({ targets, basis, relay }) {
      const asked = targets.filter(({ name }) => !phase.without?.includes(name));
      const before = await relay.admissions();
      const { figures, answers } = await runPhase(phase, asked, basis);
      const statements = statementsPerCall(before, await relay.admissions());
      return {
        tables: [tableOf(phase, figures)],
        findings: { ...findingsOf(phase.name, figures), ...statementsOf(phase.name, statements) },
        figures,
        completed: answers.get(RELAY) ?? 0,
        left: 0,
      };
    },
  };
}

function statementsOf(phase: string, statements: number): Findings {
  if (phase === 'json') return { statements };
  return phase === 'rate-40' ? { statementsAlone: statements } : {};
}

/** Those of which it makes sense to ask what they hold. */
function holders({ targets }: Bench): readonly Target[] {
  return targets.filter(({ name }) => name !== NO_PROXY && name !== NGINX);
}

function openStreamsPhase(count: number): Phase {
  return {
    name: 'open-streams',
    async run(bench) {
      const found = await openStreams(holders(bench), bench.upstream.port, count);
      const relay = found.find(({ name }) => name === RELAY);
      return {
        tables: [openStreamsTable(found, count)],
        findings: relay && { openStream: relay.kilobytes, left: relay.left },
        completed: WARM_UP_ANSWERS,
        left: count,
      };
    },
  };
}

function stalledReadersPhase(ms: number): Phase {
  return {
    name: 'stalled-readers',
    async run(bench) {
      const found = await stalledReaders(holders(bench), ms);
      const relay = found.find(({ name }) => name === RELAY);
      return {
        tables: [stalledReadersTable(found, ms)],
        findings: relay && { stalled: relay.megabytes },
        completed: WARM_UP_ANSWERS,
        left: STALLED,
      };
    },
  };
}

function startPhase(rounds: number): Phase {
  return {
    name: 'start',
    async run() {
      const found = await startTimes(rounds);
      return {
        tables: [startTimesTable(found, rounds)],
        findings: { startEmpty: found.empty, startPresent: found.present },
        ...NOTHING_BOOKED,
      };
    },
  };
}

/** Less warm than one process is for its own figures: it is compared with others that are as warm. */
function sharedPhase(quick: boolean): LoadPhase {
  return { ...jsonPhase(quick), warmUp: quick ? 16_000 : 60_000 };
}

function workersPhase(quick: boolean): Phase {
  return {
    name: 'workers',
    long: true,
    async run(bench) {
      const { table, ratio } = await workersBesideOne(sharedPhase(quick), (workers) =>
        bench.startRelay({ workers }),
      );
      return { tables: [table], findings: { workers: ratio }, ...NOTHING_BOOKED };
    },
  };
}

function replicasPhase(quick: boolean, children: Children): Phase {
  return {
    name: 'replicas',
    long: true,
    async run({ ports }) {
      const fleet = await children.begin(() => startFleet(MOST_REPLICAS, ports));
      try {
        return {
          tables: [await replicasOnOnePostgres({ ...sharedPhase(quick), rounds: 3 }, fleet)],
          ...NOTHING_BOOKED,
        };
      } finally {
        await fleet.stop();
      }
    },
  };
}

/** On a ledger that an earlier run filled, or on a smaller one that this run fills. */
function admissionPhase({ quick, ledgerFolder }: Extent, children: Children): Phase {
  return {
    name: 'admission',
    long: true,
    async run() {
      const folder = ledgerFolder ?? (await relayFolder());
      const ledgers = await children.begin(() => openLedgers(folder, OWN_LEDGER, () => undefined));
      try {
        const found = [];
        for (const batch of [1, 8])
          found.push(await admissionGrowth(ledgers, { batch, rounds: quick ? 1 : 3, seconds: 0.7 }));
        const worst = Math.max(...found.map(({ ratio }) => ratio));
        return {
          tables: found.map(({ table }) => table),
          findings: ledgers.size.rows < GROWN_ROWS ? {} : { admission: worst },
          ...NOTHING_BOOKED,
        };
      } finally {
        await ledgers.stop();
        if (ledgerFolder === undefined) await rm(folder, { recursive: true, force: true });
      }
    },
  };
}
