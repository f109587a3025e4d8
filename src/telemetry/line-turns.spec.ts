import { setImmediate } from 'node:timers/promises';
import { byTurns } from './line-turns.ts';

describe('lines by turns', () => {
  const written: string[] = [];
  const destination = { write: (lines: string) => void written.push(lines) };
  beforeEach(() => {
    written.length = 0;
  });

  it('writes the lines of one turn at its end, at once and in their order', async () => {
    const lines = byTurns(destination);
    lines.write('one\n');
    lines.write('two\n');
    expect(written).toEqual([]);
    await setImmediate();
    lines.write('three\n');
    await setImmediate();
    expect(written).toEqual(['one\ntwo\n', 'three\n']);
  });

  it('writes what there is when the process cannot wait, and nothing twice', async () => {
    const lines = byTurns(destination);
    lines.write('last\n');
    lines.flush();
    expect(written).toEqual(['last\n']);
    await setImmediate();
    expect(written).toEqual(['last\n']);
  });

  it('writes whole lines in small pieces where several processes share a pipe', async () => {
    const lines = byTurns(destination, 8);
    for (const line of ['one\n', 'two\n', 'drei é\n', 'a line that is longer\n', 'end\n']) lines.write(line);
    await setImmediate();
    expect(written).toEqual(['one\ntwo\n', 'drei é\n', 'a line that is longer\n', 'end\n']);
  });
});
