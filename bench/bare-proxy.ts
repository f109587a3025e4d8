import { Agent, createServer, request } from 'node:http';
import { announce } from './announce.ts';

/** The measure of all: what Node's own `http` costs when it only passes bytes. A process of its own. */

const port = Number(process.argv[2]);
const agent = new Agent({ keepAlive: true, noDelay: true });

const server = createServer({ noDelay: true }, (incoming, outgoing) => {
  const { method, url, headers } = incoming;
  const onward = request({ host: '127.0.0.1', port, agent, method, path: url, headers }, (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(outgoing);
  });
  onward.on('error', () => outgoing.destroy());
  outgoing.on('close', () => {
    if (!outgoing.writableFinished) onward.destroy();
  });
  incoming.pipe(onward);
});
announce(server);
