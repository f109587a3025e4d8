import { MESSAGES_PREFIX } from '../src/dialects/anthropic-call.ts';
import { compilePaths } from '../src/dialects/json-paths.ts';
import { scanBody } from '../src/dialects/json-scan.ts';
import { sessionOf } from '../src/dialects/session.ts';

/**
 * `node dist/bench/sessions.js` after `npm run build && npx tsc -p tsconfig.bench.json`: what it costs a call to find
 * its session by the cacheable prefix, beside the same pass over the body without it, in turns and in one run.
 */
const ROUNDS = 7;
const ROUND_MS = 250;
const WATCHED = compilePaths(['metadata.user_id']);

/** In the shape of Claude Code's: a dozen tools, a system of three blocks, and a conversation of tool calls. */
function bodyOf(size: number): Buffer {
  const schema = { type: 'object', properties: { path: { type: 'string', description: 'Where it is' } } };
  const tools = Array.from({ length: 12 }, (_, at) => ({
    name: `tool_${at}`,
    description: 'Reads a file and says what is in it. '.repeat(40),
    input_schema: schema,
  }));
  const mark = { cache_control: { type: 'ephemeral' } };
  const system = [
    { type: 'text', text: 'x-anthropic-billing-header: cc_version=2.1.330.a1b; cc_entrypoint=cli;' },
    { type: 'text', text: 'You are a coding agent.', ...mark },
    { type: 'text', text: 'Be brief, and careful with what is not yours. '.repeat(300), ...mark },
  ];
  const messages: object[] = [{ role: 'user', content: 'Find out why the lease is lost. '.repeat(20) }];
  const body = { model: 'claude-sonnet-4-5', max_tokens: 32_000, stream: true, tools, system, messages };
  for (let bytes = JSON.stringify(body).length, turn = 0; bytes < size; turn += 1) {
    const use = { type: 'tool_use', id: `toolu_${turn}`, name: 'tool_1', input: { path: `src/${turn}.ts` } };
    const content = `export const at = ${turn};\n`.repeat(60);
    const result = { type: 'tool_result', tool_use_id: use.id, content: [{ type: 'text', text: content }] };
    const turns = [
      { role: 'assistant', content: [use] },
      { role: 'user', content: [result] },
    ];
    messages.push(...turns);
    bytes += JSON.stringify(turns).length;
  }
  return Buffer.from(JSON.stringify(body));
}

async function micros(work: () => Promise<unknown>): Promise<number> {
  const end = performance.now() + ROUND_MS;
  const cpu = process.cpuUsage();
  let times = 0;
  for (; performance.now() < end; times += 1) await work();
  const { user, system } = process.cpuUsage(cpu);
  return (user + system) / times;
}

function middle(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

for (const size of [64 * 1024, 512 * 1024]) {
  const body = bodyOf(size);
  const pass: number[] = [];
  const ladder: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    pass.push(await micros(() => scanBody(body, WATCHED)));
    ladder.push(
      await micros(async () => sessionOf({}, body, await scanBody(body, WATCHED, MESSAGES_PREFIX), [])),
    );
  }
  const [without, having] = [middle(pass), middle(ladder)];
  const told = [body.length / 1024, without, having, having - without].map((value) => Math.round(value));
  console.log(`${told[0]} KB: pass ${told[1]} us, with session ${told[2]} us, session alone ${told[3]} us`);
}
