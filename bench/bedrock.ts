import { parseArgs } from 'node:util';
import { BedrockRuntimeClient, InvokeModelWithResponseStreamCommand } from '@aws-sdk/client-bedrock-runtime';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { Agent as Undici } from 'undici';
import type { AwsIdentities } from '../src/bedrock/aws-identities.ts';
import { bedrockUpstream } from '../src/bedrock/bedrock.upstream.ts';
import { readAnthropicCall } from '../src/dialects/anthropic-call.ts';
import type { Account, Credentials } from '../src/upstream/account.ts';
import { Cancellation } from '../src/upstream/cancellation.ts';
import { Reception } from '../src/upstream/reception.ts';
import { startServer } from './child.ts';
import { requestBody } from './messages.ts';

/**
 * `node dist/bench/bedrock.js` after `npm run build && npx tsc -p tsconfig.bench.json`: processor time of one stream of
 * InvokeModelWithResponseStream, ours beside the AWS SDK's, by the same request to the same upstream on loopback, in turns
 * and in one run. Ours reads the call, makes the envelope, signs, and decodes every event to SSE; the SDK is given the body
 * ready made, signs, and decodes to chunks of bytes, whose JSON is not looked at.
 */
const REGION = 'us-east-1';
const MODEL = 'us.anthropic.claude-haiku-4-5-20251001-v1:0';
const KEYS = {
  accessKeyId: 'AKIASIMBENCH00000000',
  secretAccessKey: 'simulator-secret-AKIASIMBENCH00000000',
};
const TOKEN = 'bedrock-api-key-sim-bench';

const { values: options } = parseArgs({
  options: {
    deltas: { type: 'string', default: '100' },
    streams: { type: 'string', default: '150' },
    rounds: { type: 'string', default: '5' },
  },
});
const [deltas, streams, rounds] = [options.deltas, options.streams, options.rounds].map(Number) as [
  number,
  number,
  number,
];

/** One stream to its end; answers the bytes it gave. */
type Run = () => Promise<number>;

const upstream = bedrockUpstream({} as AwsIdentities);
const bodyText = requestBody({ deltas, paceMs: 0 });
const pool = new Undici();

function ours(account: Account, credentials: Credentials): Run {
  return async () => {
    const call = await readAnthropicCall({
      operation: 'generate',
      headers: { 'anthropic-version': '2023-06-01' },
      query: new URLSearchParams(),
      body: Buffer.from(bodyText),
    });
    const envelope = (await upstream.envelope?.(call, account, MODEL))!;
    const url = upstream.address(call, account, MODEL);
    const request = {
      method: 'POST',
      url,
      headers: { ...envelope.headers, 'content-type': 'application/json' },
      body: envelope.body,
    } as const;
    const headers = await upstream.sign(request, credentials);
    const reception = new Reception({ signal: new Cancellation(), headersMs: 60_000 });
    pool.dispatch(
      {
        origin: url.origin,
        path: url.pathname,
        method: 'POST',
        headers: { ...headers },
        body: Buffer.concat(envelope.body as readonly Buffer[]),
      },
      reception,
    );
    const { status, headers: told } = await reception.head;
    const answer = { status, headers: told as Record<string, string>, body: reception };
    return sizeOf(upstream.decode!(call, answer).body);
  };
}

/** What Node and undici cost to fetch the same bytes and look at none of them. */
function bytesAlone(endpoint: string): Run {
  return async () => {
    const path = `/model/${MODEL}/invoke-with-response-stream`;
    const { body } = await pool.request({ origin: endpoint, path, method: 'POST', body: bodyText });
    return sizeOf(body as AsyncIterable<Buffer>);
  };
}

function theirs(endpoint: string, how: object): Run {
  const client = new BedrockRuntimeClient({
    region: REGION,
    endpoint,
    requestHandler: new NodeHttpHandler(),
    ...how,
  });
  const { model: _model, stream: _stream, ...rest } = JSON.parse(bodyText) as Record<string, unknown>;
  const body = JSON.stringify({ anthropic_version: 'bedrock-2023-05-31', ...rest });
  return async () => {
    const answer = await client.send(new InvokeModelWithResponseStreamCommand({ modelId: MODEL, body }));
    let size = 0;
    for await (const event of answer.body!) size += event.chunk?.bytes?.length ?? 0;
    return size;
  };
}

async function sizeOf(chunks: AsyncIterable<Buffer>): Promise<number> {
  let size = 0;
  for await (const chunk of chunks) size += chunk.length;
  return size;
}

/** Microseconds of this process' processor for each stream. */
async function cost(run: Run): Promise<number> {
  const before = process.cpuUsage();
  for (let done = 0; done < streams; done += 1) await run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / streams;
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;

const server = await startServer('bedrock-upstream', String(deltas));
try {
  const endpoint = `http://127.0.0.1:${server.port}`;
  const account = { baseUrl: endpoint, settings: { region: REGION } } as unknown as Account;
  const credentials = (values: Record<string, string>): Credentials => ({
    version: 1,
    values: { region: REGION, ...values },
  });
  const runs: Readonly<Record<string, Run>> = {
    'the bytes alone': bytesAlone(endpoint),
    'ours, API key': ours(account, credentials({ apiKey: TOKEN })),
    'ours, SigV4': ours(account, credentials(KEYS)),
    'AWS SDK, API key': theirs(endpoint, {
      token: { token: TOKEN },
      authSchemePreference: ['httpBearerAuth'],
    }),
    'AWS SDK, SigV4': theirs(endpoint, { credentials: KEYS }),
  };
  const found = new Map<string, number[]>(Object.keys(runs).map((name) => [name, []]));
  for (const run of Object.values(runs)) await cost(run);
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, run] of Object.entries(runs)) found.get(name)!.push(await cost(run));
  }
  const of = (name: string): number => median(found.get(name)!);
  process.stdout.write(
    `${deltas} deltas a stream, ${streams} streams a round, median of ${rounds} rounds\n\n`,
  );
  for (const name of Object.keys(runs)) {
    const sdk = of(name.endsWith('SigV4') ? 'AWS SDK, SigV4' : 'AWS SDK, API key');
    const line = `${name.padEnd(18)} ${(of(name) / 1000).toFixed(2).padStart(6)} ms CPU a stream  SDK/this ${(sdk / of(name)).toFixed(1)}`;
    process.stdout.write(`${line}\n`);
  }
} finally {
  await pool.close();
  await server.stop();
}
