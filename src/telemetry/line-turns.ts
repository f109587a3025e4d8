import type { DestinationStream } from 'pino';

/**
 * Lines of one turn of the event loop as one write: under load that is one system call for dozens of lines. They are
 * with the kernel when the turn ends; `flush` does not wait for that.
 */
export function byTurns(destination: DestinationStream): DestinationStream & { readonly flush: () => void } {
  let lines = '';
  const flush = (): void => {
    if (lines === '') return;
    const all = lines;
    lines = '';
    destination.write(all);
  };
  return {
    write(line) {
      if (lines === '') setImmediate(flush);
      lines += line;
    },
    flush,
  };
}
