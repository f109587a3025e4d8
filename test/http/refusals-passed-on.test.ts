import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { asking, onlyRow, send } from '../support/asking.ts';
import { Rehearsal } from '../support/relay.ts';

/** What an upstream refuses passes as it came, as long as the client can read it. */

let rehearsal: Rehearsal;
let key: string;
let upstream: Server;

const ERROR = JSON.stringify({
  type: 'error',
  error: { type: 'invalid_request_error', message: 'a'.repeat(80_000) },
});

beforeAll(async () => {
  rehearsal = await Rehearsal.start();
  // Answers as the last message says.
  upstream = createServer((request, response) => {
    let body = '';
    request.on('data', (bytes: Buffer) => (body += bytes.toString()));
    request.on('end', () => {
      const type = 'application/json';
      if (body.includes('timeout')) {
        response.writeHead(408, { 'content-type': type }).end(ERROR);
      } else if (body.includes('zipped')) {
        response.writeHead(400, { 'content-type': type, 'content-encoding': 'gzip' }).end(gzipSync(ERROR));
      } else {
        response.writeHead(400, { 'content-type': type });
        response.write(ERROR.slice(0, 70_000), () => setTimeout(() => response.destroy(), 100));
      }
    });
  });
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  const { port } = upstream.address() as AddressInfo;
  await rehearsal.claudeAccount({ baseUrl: `http://127.0.0.1:${port}` });
  key = (await rehearsal.key()).key;
});
afterEach(() => rehearsal.quiet());
afterAll(async () => {
  await rehearsal.close();
  upstream.close();
});

async function ask(text: string) {
  const one = asking('Claude JSON', key, text);
  return { answer: await send(rehearsal.url, one), row: await onlyRow(rehearsal, one) };
}

it('a timeout that the vendor tells keeps its status and its body', async () => {
  const { answer, row } = await ask('timeout');
  expect(answer).toMatchObject({ status: 408, text: ERROR });
  expect(row).toMatchObject({ outcome: 'failed', status: 408, reason: 'timeout' });
});

it('a compressed refusal, which nobody asked for, is a 502', async () => {
  const { answer, row } = await ask('zipped');
  expect(answer.status).toBe(502);
  expect(JSON.parse(answer.text)).toMatchObject({ type: 'error', error: { type: 'api_error' } });
  expect(row).toMatchObject({ outcome: 'failed', status: 400 });
});

it('a long refusal that breaks off is never taken for a whole one', async () => {
  const { answer, row } = await ask('broken');
  expect(answer).toMatchObject({ status: 400, broken: true });
  expect(ERROR.startsWith(answer.text)).toBe(true);
  expect(row).toMatchObject({ outcome: 'partial', status: 400, reason: 'reset' });
});
