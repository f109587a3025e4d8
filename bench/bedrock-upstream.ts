import { createServer } from 'node:http';
import { encodeEventMessage } from '../src/dialects/event-stream.ts';
import { announce } from './announce.ts';
import { streamEvents } from './messages.ts';

/** A process of its own: answers each request with one stream of InvokeModelWithResponseStream, a write for each message. */

const HEADERS = { ':event-type': 'chunk', ':content-type': 'application/json', ':message-type': 'event' };
const DELTAS = Number(process.argv[2] ?? 100);

function messageOf(frame: string): Buffer {
  const json = frame.slice(frame.indexOf('data: ') + 'data: '.length).trimEnd();
  const bytes = Buffer.from(json).toString('base64');
  return encodeEventMessage(HEADERS, JSON.stringify({ bytes, p: 'abcdefghijklmnop' }));
}

const { before, delta, after } = streamEvents({ deltas: DELTAS, paceMs: 0 });
const MESSAGES = [...before, ...Array<string>(DELTAS).fill(delta), ...after].map(messageOf);

announce(
  createServer((request, response) => {
    request.resume().on('end', () => {
      response.writeHead(200, { 'content-type': 'application/vnd.amazon.eventstream' });
      for (const message of MESSAGES) response.write(message);
      response.end();
    });
  }),
);
