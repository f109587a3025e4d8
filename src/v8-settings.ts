import { setFlagsFromString } from 'node:v8';

const NODE_MAJOR = Number.parseInt(process.versions.node, 10);

/**
 * How V8 runs what a relay does. A V8 that does not know one of the flags only says so.
 *
 * Young garbage is collected on the main thread alone, from now on. By itself V8 wakes four more threads for each
 * collection, to share what of a few dozen open requests survives: that is too little to share, and cost a seventh of a
 * request's CPU. What marks old garbage beside the program stays as it is.
 *
 * What is compiled from now on has more of what it calls built in. A request passes some five hundred small functions,
 * once each, where V8's budget (460 and 920 bytes) is made for loops. A request takes about 7 % less CPU by that.
 *
 * What was compiled stays. V8 forgets functions that were not called for some collections; but one that is built in
 * wherever it is called is never called itself, and can be built in nowhere once it is forgotten. A request took 0.92 and
 * 0.94 of its CPU in two runs, neither beyond doubt.
 *
 * Buffers that live as long as a request are collected with the young garbage, from 32 MB of them on. In V8 13.6 (Node 24)
 * that begins at 128 MB, and all garbage is looked for at 64 MB, before it comes to that (nodejs/node issue 61967): with
 * bodies of 512 KB a full collection for every seventy requests, and twice the CPU. Node 26 has no such flag any more.
 *
 * V8 does not guess what will live long. Where most of what one place of the program makes outlives a collection or two, it
 * makes it in the old generation from then on, and there each keeps all else of its call until the next full collection,
 * however soon the call is over (docs/decisions/021). That happened in every second process within half a minute of load.
 */
export function setUpV8(): void {
  setFlagsFromString('--no-parallel-scavenge');
  setFlagsFromString('--max-inlined-bytecode-size=1000');
  setFlagsFromString('--max-inlined-bytecode-size-cumulative=4000');
  setFlagsFromString('--no-flush-bytecode');
  setFlagsFromString('--no-allocation-site-pretenuring');
  if (NODE_MAJOR === 24) setFlagsFromString('--scavenger-max-new-space-capacity-mb=8');
}
