import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { PairEnd } from './pair.ts';

const ADDRESSES = { remoteAddress: '10.0.0.1', remotePort: 5, localPort: 3000 } as Socket;
const make = (): [PairEnd, PairEnd] => PairEnd.pair(ADDRESSES);

describe('two ends of a connection in the process', () => {
  it('give each other what is written, both ways, and its end', async () => {
    const [near, far] = make();
    near.end('question');
    far.end('answer');
    const read = async (end: PairEnd): Promise<string> => {
      let text = '';
      for await (const bytes of end) text += String(bytes);
      return text;
    };
    expect(await Promise.all([read(near), read(far)])).toEqual(['answer', 'question']);
  });

  it('hold a writer back until the other reads', async () => {
    const [near, far] = make();
    let taken = 0;
    const write = (): void => {
      near.write(Buffer.alloc(10_000), () => {
        taken += 10_000;
        if (taken < 1_000_000) write();
      });
    };
    write();
    await turn();
    await turn();
    const stalled = taken;
    expect(stalled).toBeLessThan(200_000);
    let got = 0;
    far.on('data', (bytes: Buffer) => (got += bytes.length));
    while (got < 1_000_000) await turn();
    expect(got).toBe(1_000_000);
  });

  it('close together, once what was written is read', async () => {
    const [near, far] = make();
    let got = '';
    far.on('data', (bytes: Buffer) => (got += bytes.toString()));
    near.write('last words');
    near.destroy();
    await once(far, 'close');
    expect([got, far.destroyed]).toEqual(['last words', true]);
  });

  it('fail what is still being written to one that is closed', async () => {
    const [near, far] = make();
    const written = new Promise((resolve) => near.write(Buffer.alloc(500_000), resolve));
    const closed = new Promise((resolve) => near.on('close', resolve));
    near.on('error', () => undefined);
    far.destroy();
    expect(await written).toBeInstanceOf(Error);
    await closed;
  });

  it('keep what was written to its end, when its writer closes, for a client that reads later', async () => {
    const [near, far] = make();
    far.end(Buffer.alloc(10_000, 1));
    await once(far, 'finish');
    far.destroy();
    await once(far, 'close');
    await turn();
    let got = 0;
    near.on('data', (bytes: Buffer) => (got += bytes.length));
    await once(near, 'close');
    expect(got).toBe(10_000);
  });

  it('tell the far one the addresses of the connection it stands for', () => {
    const [near, far] = make();
    expect(far).toMatchObject({ remoteAddress: '10.0.0.1', remotePort: 5, localPort: 3000 });
    expect(near.remoteAddress).toBeUndefined();
  });
});
