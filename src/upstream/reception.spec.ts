import type { Dispatcher } from 'undici';
import { chunksOf } from './answer-bytes.ts';
import { Cancellation } from './cancellation.ts';
import { Reception } from './reception.ts';
import { UpstreamFailure } from './upstream-failure.ts';

/** The other end of a reception: what undici was asked to do with the connection. */
class Line implements Dispatcher.DispatchController {
  aborted = false;
  paused = false;
  reason: Error | null = null;
  resumed = 0;
  goesOn: () => void = () => undefined;

  abort(reason: Error): void {
    this.aborted = true;
    this.reason = reason;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    this.resumed += 1;
    this.goesOn();
  }
}

function asked(signal = new Cancellation(), headersMs = 60_000) {
  const line = new Line();
  const reception = new Reception({ signal, headersMs });
  reception.head.catch(() => undefined);
  return { line, reception, signal };
}

function open() {
  const one = asked();
  one.reception.onRequestStart(one.line);
  one.reception.onResponseStart(one.line, 200, { 'x-a': 'b' });
  const say = (text: string): void => one.reception.onResponseData(one.line, Buffer.from(text));
  return { ...one, say };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const broken = new Error('the connection broke');

describe('the reception of an answer', () => {
  it('gives the head, which no interim answer is, and the bytes of a turn as one', async () => {
    const { line, reception } = asked();
    reception.onRequestStart(line);
    reception.onResponseStart(line, 103, { link: '<x>' });
    reception.onResponseStart(line, 200, { 'x-a': 'b' });
    expect(await reception.head).toEqual({ status: 200, headers: { 'x-a': 'b' } });
    expect(reception.take()).toBeNull();

    const heard: string[] = [];
    reception.listen(() => heard.push(String(reception.take())));
    reception.onResponseData(line, Buffer.from('one, '));
    reception.onResponseData(line, Buffer.from('two'));
    expect(heard).toEqual([]);
    await turn();
    expect(heard).toEqual(['one, two']);
    reception.onResponseData(line, Buffer.from('three'));
    reception.onResponseEnd();
    expect([String(reception.take()), reception.take(), reception.take()]).toEqual([
      'three',
      undefined,
      undefined,
    ]);
    reception.destroy();
    expect(line.aborted).toBe(false);
  });

  it('lets the connection wait while nobody takes, and go on when more is asked for', () => {
    const { line, reception, say } = open();
    say('x'.repeat(32 * 1024 - 1));
    expect(line.paused).toBe(false);
    say('y');
    expect(line.paused).toBe(true);
    expect(reception.take()?.length).toBe(32 * 1024);
    expect([line.paused, line.resumed]).toEqual([true, 0]);
    expect(reception.take()).toBeNull();
    expect([line.paused, line.resumed]).toEqual([false, 1]);
    say('z');
    reception.take();
    expect(line.resumed).toBe(1);
  });

  it('gives at once what has come of it when the connection goes on', () => {
    const { line, reception, say } = open();
    say('x'.repeat(32 * 1024));
    reception.take();
    line.goesOn = () => say('more');
    expect(String(reception.take())).toBe('more');
  });

  it('lets a connection that waits be, once it broke or was given up', () => {
    for (const ends of ['breaks', 'is given up'] as const) {
      const { line, reception, say } = open();
      say('x'.repeat(32 * 1024));
      reception.take();
      if (ends === 'breaks') reception.onResponseError(line, broken);
      else reception.destroy(broken);
      expect(() => reception.take()).toThrow(broken);
      expect([ends, line.resumed]).toEqual([ends, 0]);
    }
  });

  it('tells a breakage behind the bytes that came before it, and harms nobody who does not read', async () => {
    const { reception, line, say } = open();
    say('torso');
    reception.onResponseError(line, broken);
    await turn();
    expect(String(reception.take())).toBe('torso');
    expect(() => reception.take()).toThrow(broken);
    expect(() => reception.take()).toThrow(broken);
  });

  it('wakes who waits for the end, for a breakage and for its being destroyed', async () => {
    for (const what of ['end', 'error', 'destroy'] as const) {
      const { reception, line } = open();
      let told = 0;
      reception.listen(() => (told += 1));
      if (what === 'end') reception.onResponseEnd();
      else if (what === 'error') reception.onResponseError(line, broken);
      else reception.destroy(broken);
      await turn();
      expect([what, told]).toEqual([what, 1]);
    }
  });

  it('is cut by its signal or by its reader at once, and gives nothing more', () => {
    const left = open();
    left.say('unread');
    left.signal.abort(broken);
    expect(left.line.reason).toBe(broken);
    expect(() => left.reception.take()).toThrow(broken);

    const given = open();
    given.reception.destroy();
    expect(given.line.reason).toBeInstanceOf(UpstreamFailure);
    expect(() => given.reception.take()).toThrow(UpstreamFailure);
  });

  it('of a whole answer is given up without harm to the connection, and hears its signal until it is taken', () => {
    const { reception, line, say, signal } = open();
    say('whole');
    reception.onResponseEnd();
    signal.abort(broken);
    expect(line.aborted).toBe(false);
    expect(() => reception.take()).toThrow(broken);
  });

  it('that is cut before a connection stands ends at once, and sends nothing when it does', async () => {
    const { reception, line, signal } = asked();
    signal.abort(broken);
    await expect(reception.head).rejects.toBe(broken);
    reception.onRequestStart(line);
    expect(line.reason).toBe(broken);
  });

  it('without a head fails with what undici says, or with its clock', async () => {
    const refused = asked();
    refused.reception.onResponseError(refused.line, broken);
    await expect(refused.reception.head).rejects.toBe(broken);

    const silent = asked(new Cancellation(), 10);
    silent.reception.onRequestStart(silent.line);
    await expect(silent.reception.head).rejects.toHaveProperty('reason', 'headers-timeout');
    expect(silent.line.aborted).toBe(true);
  });

  it('read chunk by chunk ends with the answer, and is cut by who stops before', async () => {
    const whole = open();
    const texts: string[] = [];
    const reading = (async () => {
      for await (const chunk of chunksOf(whole.reception)) texts.push(chunk.toString());
    })();
    whole.say('a');
    await turn();
    whole.say('b');
    whole.reception.onResponseEnd();
    await reading;
    expect(texts).toEqual(['a', 'b']);

    const endless = open();
    endless.say('a');
    for await (const chunk of endless.reception) if (chunk.length > 0) break;
    expect(endless.line.aborted).toBe(true);
  });
});
