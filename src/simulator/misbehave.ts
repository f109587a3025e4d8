import { createGzip } from 'node:zlib';
import { Readable } from 'node:stream';
import type { Fault } from './faults.ts';
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

async function* after(first: Buffer, frames: Reply['frames']): AsyncGenerator<Buffer> {
  yield first;
  yield* frames;
}
