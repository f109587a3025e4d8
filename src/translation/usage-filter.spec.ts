import { UsageFilter } from './usage-filter.ts';

/** Frames by hand after the API reference, "Chat completion chunk object". */
const chunk = (fields: object): string =>
  JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'm', ...fields });
const delta = (content: string, usage: unknown = null): string =>
  chunk({ choices: [{ index: 0, delta: { content }, finish_reason: null }], usage });
const USAGE = { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 };
const ALONE = chunk({ choices: [], usage: USAGE });

function filtered(bytes: Buffer, ...cuts: readonly number[]): string {
  const filter = new UsageFilter();
  const told: Uint8Array[] = [];
  const ends = [...cuts, bytes.length];
  let from = 0;
  for (const end of ends) {
    const out = filter.push(bytes.subarray(from, end));
    if (out !== undefined) told.push(out);
    from = end;
  }
  const last = filter.finish();
  return Buffer.concat(last === undefined ? told : [...told, last]).toString('utf8');
}

const ENDINGS = { LF: '\n', 'CR LF': '\r\n', CR: '\r' };

describe.each(Object.entries(ENDINGS))('a stream whose lines end with %s', (_name, eol) => {
  const frame = (data: string, before = ''): string => `${before}data: ${data}${eol}${eol}`;
  const before = frame(delta('naïve 🙂')) + frame(delta('"choices":[] "usage":{}')) + `: ping${eol}${eol}`;
  const after = frame('[DONE]');
  const whole = Buffer.from(before + frame(ALONE) + after);

  it('keeps the chunk of usage alone from the client, wherever the bytes are cut', () => {
    for (let cut = 0; cut <= whole.length; cut += 1) expect(filtered(whole, cut)).toBe(before + after);
    const everyByte = Array.from({ length: whole.length }, (_, i) => i);
    expect(filtered(whole, ...everyByte)).toBe(before + after);
  });

  it('hides one that ends the stream without a blank line, and two of them', () => {
    expect(filtered(Buffer.from(before + `data: ${ALONE}`))).toBe(before);
    expect(filtered(Buffer.from(before + frame(ALONE) + frame(ALONE) + after))).toBe(before + after);
  });

  it.each<[string, string]>([
    ['usage beside a choice', delta('x', USAGE)],
    [
      'a chunk of Azure, without choices and without usage',
      chunk({ choices: [], prompt_filter_results: [] }),
    ],
    ['a null for usage', chunk({ choices: [], usage: null })],
    ['an error', JSON.stringify({ error: { message: '"choices":[]' } })],
    ['no JSON', `{"choices":[],"usage":`],
    ['the end', '[DONE]'],
  ])('passes %s', (_what, data) => {
    const bytes = Buffer.from(before + frame(data) + after);
    for (let cut = before.length; cut <= bytes.length; cut += 1) {
      expect(filtered(bytes, cut)).toBe(bytes.toString('utf8'));
    }
  });

  it('hides a chunk with spaces, an event name and a comment before it', () => {
    const spaced = ALONE.replace('"choices":[]', '"choices" : [ ]');
    expect(filtered(Buffer.from(frame(spaced, `event: chunk${eol}: c${eol}`) + after))).toBe(after);
  });
});

describe('what the filter holds', () => {
  it('gives a whole frame on at once, as the bytes that came', () => {
    const bytes = Buffer.from(`data: ${delta('a')}\n\n`);
    expect(new UsageFilter().push(bytes)).toBe(bytes);
  });

  it('holds a frame that is not whole', () => {
    const filter = new UsageFilter();
    expect(filter.push(Buffer.from('data: {"choices":'))).toBeUndefined();
    expect(Buffer.from(filter.push(Buffer.from('[]}\n\n'))!).toString()).toBe('data: {"choices":[]}\n\n');
  });

  it('lets a frame pass that is longer than any chunk of usage', () => {
    const filter = new UsageFilter();
    const piece = Buffer.from('x'.repeat(20_000));
    expect(filter.push(piece)).toBe(piece);
    expect(filter.push(piece)).toBe(piece);
    expect(Buffer.from(filter.push(Buffer.from(`"choices":[]\n\ndata: ${ALONE}\n\n`))!).toString()).toBe(
      '"choices":[]\n\n',
    );
  });
});
