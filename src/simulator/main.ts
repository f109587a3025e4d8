import { parseArgs } from 'node:util';
import { BEDROCK_KEY_PREFIX } from './aws-credentials.ts';
import {
  ACCESS_TOKEN_PREFIX,
  ANTHROPIC_KEY_PREFIX,
  GEMINI_KEY_PREFIX,
  OPENAI_KEY_PREFIX,
  REFRESH_TOKEN_PREFIX,
} from './credentials.ts';
import { startSimulator } from './simulator.ts';

/** `node simulator/main.js [--port 4010] [--host 127.0.0.1] [--seed sim]` */
const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '4010' },
    host: { type: 'string', default: '127.0.0.1' },
    seed: { type: 'string', default: 'sim' },
  },
});

const simulator = await startSimulator({ port: Number(values.port), host: values.host, seed: values.seed });
console.log(`Simulated upstreams at ${simulator.url}

  Anthropic  ${simulator.url}/v1/messages
             keys        ${ANTHROPIC_KEY_PREFIX}<anything>
             OAuth pair  ${ACCESS_TOKEN_PREFIX}0 and ${REFRESH_TOKEN_PREFIX}0, renewed at ${simulator.url}/oauth/token
  Gemini     ${simulator.url}/v1beta/models/gemini-2.5-flash:generateContent
             keys        ${GEMINI_KEY_PREFIX}<anything>
  OpenAI     ${simulator.url}/v1/chat/completions
             keys        ${OPENAI_KEY_PREFIX}<anything>
  Bedrock    ${simulator.url}/model/us.amazon.nova-2-lite-v1:0/converse
             keys        ${BEDROCK_KEY_PREFIX}<anything>, or AKIASIM<ANYTHING> with simulator-secret-<its id>
  Oracle     ${simulator.url}/_simulator/state and /_simulator/requests

A fault is asked for inside the last user message, for example [[sim: latency=500 split=1 say="hello"]],
or set for many requests by POST ${simulator.url}/_simulator/plan; src/simulator/README.md tells them all.`);

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void simulator.close().then(() => process.exit(0)));
}
