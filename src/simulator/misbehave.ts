import { createGzip } from 'node:zlib';
import { Readable } from 'node:stream';
import { EVENT_STREAM, withBadChecksum, withGiantLength } from './event-stream.ts';
import { FaultError, type Fault } from './faults.ts';
import type { Reply } from './reply.ts';

const HTML = `<!DOCTYPE html>
<html><head><title>502 Bad Gateway</title></head>
<body><center><h1>502 Bad Gateway</h1></center><hr><center>edge</center></body></html>
`;

/** An answer that no client can use, instead of the vendor's; undefined when the fault asks for none. */
export function unusable(fault: Fault): Reply | undefined {
  const page = (status: number, headers: Record<string, string>, text: string): Reply => ({
    status,
    headers,
    frames: text === '' ? [] : [Buffer.from(text)],
  });
  if (fault.redirect !== undefined) return page(fault.status ?? 302, { location: fault.redirect }, '');
  if (fault.html === true) return page(fault.status ?? 200, { 'content-type': 'text/html' }, HTML);
  if (fault.empty === true) return page(fault.status ?? 200, { 'content-type': 'application/json' }, '');
  if (fault.badJson === true) {
    return page(
      fault.status ?? 200,
      { 'content-type': 'application/json' },
      '{"type":"message","content":[{"ty',
    );
  }
  if (fault.endlessLine !== undefined) {
    return {
      status: 200,
      headers: { 'content-type': 'text/event-stream; charset=utf-8' },
      frames: endlessLine(fault.endlessLine),
    };
  }
  return undefined;
}

/** A `data:` line that goes on and on, and never a blank line. */
function* endlessLine(bytes: number): Generator<Buffer> {
  yield Buffer.from('data: ');
  const piece = Buffer.alloc(64 * 1024, 'x');
  for (let left = bytes; left > 0; left -= piece.length) yield piece.subarray(0, left);
}

/** The reply with the fault's headers, extra frames and encoding; `credential` is what echoes repeat. */
export function distorted(reply: Reply, fault: Fault, credential: string): Reply {
  const headers: Record<string, string | string[]> = { ...reply.headers };
  if (fault.wrongType !== undefined) headers['content-type'] = fault.wrongType;
  if (fault.setCookie === true) headers['set-cookie'] = ['sid=upstream; HttpOnly', 'edge=1; Path=/'];
  if (fault.hopByHop === true) {
    headers['connection'] = 'keep-alive, x-hop';
    headers['keep-alive'] = 'timeout=7';
    headers['x-hop'] = 'for this hop only';
    headers['proxy-authenticate'] = 'Basic realm="edge"';
    headers['upgrade'] = 'h2c';
  }
  if (fault.hugeHeaders !== undefined) headers['x-huge'] = 'h'.repeat(fault.hugeHeaders);
  if (fault.echoHeader === true) headers['x-echo'] = credential;
  Object.assign(headers, fault.headers);
  let frames = reply.frames;
  if (fault.error !== undefined && reply.errorFrame !== undefined) {
    frames = interrupted(frames, fault.error, reply.errorFrame);
  }
  frames = brokenMessage(reply, frames, fault);
  if (fault.bom === true) frames = after(Buffer.from([0xef, 0xbb, 0xbf]), frames);
  if (fault.gzip === true) {
    headers['content-encoding'] = 'gzip';
    frames = Readable.from(frames).pipe(createGzip());
  }
  return { ...reply, headers, frames };
}

/** The whole document, where a content-length is to be told. */
export async function gathered(reply: Reply): Promise<Reply> {
  const parts: Buffer[] = [];
  for await (const frame of reply.frames) parts.push(frame);
  const body = Buffer.concat(parts);
  return { ...reply, headers: { ...reply.headers, 'content-length': String(body.length) }, frames: [body] };
}

async function* interrupted(
  frames: Reply['frames'],
  count: number,
  errorFrame: (after: number) => Buffer,
): AsyncGenerator<Buffer> {
  let sent = 0;
  if (count > 0) {
    for await (const frame of frames) {
      yield frame;
      sent += 1;
      if (sent === count) break;
    }
  }
  yield errorFrame(sent);
}

/** The event stream's own faults, each on the message after so many. @throws FaultError for other answers */
function brokenMessage(reply: Reply, frames: Reply['frames'], fault: Fault): Reply['frames'] {
  const [name, at] =
    (['badCrc', 'giant', 'torn'] as const)
      .map((one) => [one, fault[one]] as const)
      .find(([, count]) => count !== undefined) ?? [];
  if (name === undefined || at === undefined || reply.status >= 300) return frames;
  if (reply.headers['content-type'] !== EVENT_STREAM) {
    throw new FaultError(`sim directive "${name}" is for event streams`);
  }
  return withBroken(frames, at, name);
}

async function* withBroken(
  frames: Reply['frames'],
  at: number,
  name: 'badCrc' | 'giant' | 'torn',
): AsyncGenerator<Buffer> {
  let n = 0;
  for await (const frame of frames) {
    if (n !== at) yield frame;
    else if (name === 'badCrc') yield withBadChecksum(frame);
    else if (name === 'giant') yield withGiantLength(frame);
    else {
      yield frame.subarray(0, frame.length / 2);
      return;
    }
    n += 1;
  }
}

async function* after(first: Buffer, frames: Reply['frames']): AsyncGenerator<Buffer> {
  yield first;
  yield* frames;
}
