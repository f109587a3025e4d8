import type { Split } from './faults.ts';

/** Cuts a frame that begins at `offset` of the body; each piece becomes a write (and an HTTP chunk) of its own. */
export function* pieces(frame: Buffer, split: Split | undefined, offset: number): Generator<Buffer> {
  if (split === undefined) {
    yield frame;
    return;
  }
  let start = 0;
  for (const cut of cuts(frame, split, offset)) {
    if (cut <= start || cut >= frame.length) continue;
    yield frame.subarray(start, cut);
    start = cut;
  }
  yield frame.subarray(start);
}

function* cuts(frame: Buffer, split: Split, offset: number): Generator<number> {
  if (split === 'utf8') {
    // A lead byte of a multi-byte character: what follows it belongs to the same character.
    for (let at = 0; at < frame.length; at += 1) if ((frame[at] ?? 0) >= 0xc0) yield at + 1;
  } else if (split === 'crlf') {
    for (let at = 0; at < frame.length; at += 1) if (frame[at] === 13 || frame[at] === 10) yield at + 1;
  } else if (typeof split === 'number') {
    for (let at = split; at < frame.length; at += split) yield at;
  } else {
    for (const at of [...split].sort((a, b) => a - b)) yield at - offset;
  }
}
