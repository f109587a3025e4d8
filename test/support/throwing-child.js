/**
 * The built relay as it always starts, with one more kind of account: each of its functions throws or rejects for the
 * model that names it. Told `reject` or `fill` over IPC, the process itself fails: by a stray rejection, or for want of heap.
 */
import { claude } from '../../dist/src/claude/claude.upstream.js';
import { serve } from '../../dist/src/cli/serve.js';
import { readEnv } from '../../dist/src/config/env.js';
import { UpstreamRegistry } from '../../dist/src/upstream/upstream-registry.js';

const fails = (name) => Object.assign(new Error(`${name} failed on purpose`), { of: name });
const asked = (request) => JSON.parse(String(request.body)).model;
const throwing = {
  ...claude,
  kind: 'throwing',
  address(call, account, model) {
    if (model === 'claude-address') throw fails('address');
    return claude.address(call, account, model);
  },
  envelope(call, account, model) {
    return model === 'claude-envelope' ? Promise.reject(fails('envelope')) : undefined;
  },
  sign(request, credentials) {
    const model = asked(request);
    if (model === 'claude-sign') throw fails('sign');
    if (model === 'claude-sign-later') return Promise.reject(fails('sign'));
    return claude.sign(request, credentials);
  },
  judge() {
    throw fails('judge');
  },
  headroom() {
    throw fails('headroom');
  },
};

const strays = {
  reject: () => void Promise.reject(new Error('a stray rejection')),
  /** Keeps more and more, a piece in each turn of the event loop. */
  fill() {
    const kept = [];
    setInterval(() => kept.push(new Array(500_000).fill(0.5)), 5);
  },
};
process.on('message', (told) => strays[told]());
await serve(
  () => readEnv(process.env),
  async (relay) => {
    relay.app.get(UpstreamRegistry).register(throwing);
    console.log(`llm-relay listens on ${relay.url}`);
    return undefined;
  },
);
