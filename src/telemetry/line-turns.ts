import type { DestinationStream } from 'pino';

/**
 * Lines of one turn of the event loop as one write: under load that is one system call for dozens of lines. They are
 * with the kernel when the turn ends; `flush` does not wait for that.
 *
 * @param most bytes of one write that holds several lines, where other processes write to the same pipe
 */
export function byTurns(
  destination: DestinationStream,
  most = Infinity,
): DestinationStream & { readonly flush: () => void } {
  let lines = '';
  const flush = (): void => {
    if (lines === '') return;
    const all = lines;
    lines = '';
    if (most === Infinity) destination.write(all);
    else for (const piece of wholeLines(all, most)) destination.write(piece);
  };
  return {
    write(line) {
      if (lines === '') setImmediate(flush);
      lines += line;
    },
    flush,
  };
}

/** In pieces of whole lines and at most so many bytes; a line that is longer is a piece of its own. */
function wholeLines(text: string, most: number): string[] {
  const pieces: string[] = [];
  let piece = '';
  let size = 0;
  for (const line of text.match(/[^\n]*\n|[^\n]+$/g) ?? []) {
    const bytes = Buffer.byteLength(line);
    if (piece !== '' && size + bytes > most) {
      pieces.push(piece);
      piece = '';
      size = 0;
    }
    piece += line;
    size += bytes;
  }
  return piece === '' ? pieces : [...pieces, piece];
}
