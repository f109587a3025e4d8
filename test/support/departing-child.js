/** A process that leaves as the command-line entries do; with `wait`, it lingers until it is told to hurry. */
import { leaveOnSignals } from '../../dist/src/cli/departure.js';

let wake;
const alive = setInterval(() => undefined, 60_000);
leaveOnSignals({
  async leave() {
    process.send('leaving');
    if (process.argv[2] === 'wait') await new Promise((resolve) => (wake = resolve));
    if (process.argv[2] === 'stuck') await new Promise(() => undefined);
    clearInterval(alive);
  },
  hurry() {
    process.send('hurrying');
    wake?.();
  },
});
process.send('ready');
