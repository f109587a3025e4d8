import { SseFramer } from './sse.ts';

function events(...chunks: readonly (string | Uint8Array)[]): string[] {
  const seen: string[] = [];
  let data = '';
  const framer = new SseFramer({
    data: (bytes, start, end) => (data += Buffer.from(bytes.subarray(start, end)).toString('latin1')),
    end: () => {
      seen.push(data);
      data = '';
    },
  });
  for (const chunk of chunks) framer.push(Buffer.from(chunk as Uint8Array));
  return seen;
}

describe('taking server-sent events apart', () => {
  it.each<[string, string, string[]]>([
    ['one event', 'data: a\n\n', ['a']],
    ['no space after the colon', 'data:a\n\n', ['a']],
    ['one space dropped, not two', 'data:  a\n\n', [' a']],
    ['data lines joined', 'data: a\ndata: b\n\n', ['a\nb']],
    ['an empty line of data in the middle', 'data: a\ndata\ndata: b\n\n', ['a\n\nb']],
    ['names, ids and comments passed over', ': hi\nevent: x\nid: 1\nretry: 5\ndata: a\n\n', ['a']],
    ['fields that only begin like data', 'dat: a\ndatax: b\ndat\ndata : c\n\n', []],
    ['events without data', 'event: ping\n\n: keep-alive\n\ndata: a\n\n', ['a']],
    ['several blank lines', 'data: a\n\n\n\ndata: b\n\n', ['a', 'b']],
    ['an unfinished event', 'data: a\n\ndata: b\n', ['a']],
    ['CR', 'data: a\rdata: b\r\r', ['a\nb']],
    ['CR LF', 'data: a\r\ndata: b\r\n\r\n', ['a\nb']],
    ['mixed line ends', 'data: a\r\n\ndata: b\n\r\ndata: c\r\r\n', ['a', 'b', 'c']],
    ['a byte order mark', '\ufeffdata: a\n\n', ['a']],
    ['a colon in the value', 'data: {"a":"data: b"}\n\n', ['{"a":"data: b"}']],
  ])('reads %s', (_name, text, expected) => {
    const bytes = Buffer.from(text);
    expect(events(bytes)).toEqual(expected);
    expect(events(...Array.from(bytes, (byte) => Uint8Array.of(byte)))).toEqual(expected);
    for (let cut = 0; cut < bytes.length; cut += 1) {
      expect(events(bytes.subarray(0, cut), new Uint8Array(0), bytes.subarray(cut))).toEqual(expected);
    }
  });

  it('takes half a byte order mark for garbage', () => {
    expect(events(Uint8Array.of(0xef, 0xbb), 'data: a\n\n')).toEqual([]);
  });
});
