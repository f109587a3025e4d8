import { isUtf8 } from 'node:buffer';
import { CallError } from './dialect.ts';
import { JsonMachine } from './json-machine.ts';
import type { JsonListener, JsonToken } from './json-token.ts';
import { compilePaths } from './json-paths.ts';
import { readValue, scanBody } from './json-scan.ts';

const NOTHING = compilePaths([]);
const scan = (text: string, ...paths: string[]) => scanBody(Buffer.from(text), compilePaths(paths));

describe('scanning a body', () => {
  it('says where the members of the object stand', async () => {
    const body = Buffer.from(
      ' {"model" : "ü", "n":-1.5e3,"o":{"a":[]}, "l":[1,{}] ,"t":true,"f":false,"z":null}\n',
    );
    const { members } = await scanBody(body, NOTHING);
    expect(
      [...members].map(([name, { kind, span }]) => [name, kind, body.toString('utf8', span.start, span.end)]),
    ).toEqual([
      ['model', 'string', '"ü"'],
      ['n', 'number', '-1.5e3'],
      ['o', 'object', '{"a":[]}'],
      ['l', 'array', '[1,{}]'],
      ['t', 'boolean', 'true'],
      ['f', 'boolean', 'false'],
      ['z', 'null', 'null'],
    ]);
    expect(readValue(body, members.get('n')!.span, 'n')).toBe(-1500);
  });

  it('finds watched places below, either spelling, wherever they occur', async () => {
    const text =
      '{"x":{"b":0},"requests":[{"model":"m"},{"n":[{"model":"no"}]},{"mo\\u0064el":"k"}],"gen_c":{"b":[1]}}';
    const { found } = await scan(text, 'requests[].model', 'genC|gen_c.b', 'genC');
    expect(found.map(({ path, kind, span }) => [path, kind, text.slice(span.start, span.end)])).toEqual([
      ['requests[].model', 'string', '"m"'],
      ['requests[].model', 'string', '"k"'],
      ['genC.b', 'array', '[1]'],
      ['genC', 'object', '{"b":[1]}'],
    ]);
  });

  it('reads runs that end anywhere about the end of a slice, letters of several bytes in them', async () => {
    for (let shift = 0; shift < 120; shift += 1) {
      const lines = Array.from(
        { length: 2_200 },
        (_, line) => `${'量'.repeat((line * 7 + shift) % 23)}${'x'.repeat(line % 3)} ${line}`,
      );
      const body = Buffer.from(JSON.stringify({ before: '"'.repeat(shift % 4), text: lines.join('\n') }));
      const { members } = await scanBody(body, NOTHING);
      expect(members.get('text')?.span.end).toBe(body.length - 1);
    }
  });

  it.each([
    ['{"a":[{"id":"rlsig001AbC"}]}', true],
    ['{"a":"rlsig001"}', true],
    ['{"a":"rlsig00"}', false],
    ['{"rlsig001":1}', false],
    ['{"a":"of rlsig001AbC"}', false],
  ])('says of %s whether a string begins as what the relay has clients carry', async (text, carries) => {
    expect((await scan(text)).carries).toBe(carries);
  });

  it.each([
    ['', 'is empty'],
    ['[1]', 'must be a JSON object'],
    ['"x"', 'expected an object'],
    ['\ufeff{}', 'byte order mark'],
    ['{}\0', 'nothing may follow'],
    ['{"a":1} {', 'nothing may follow'],
    ['{"a":"\0"}', 'control character'],
    ['{"a":"\t"}', 'control character'],
    ['{"a":"\\x"}', 'unknown escape'],
    ['{"a":"\\u12g4"}', 'hexadecimal'],
    ['{"a":01}', 'not a number'],
    ['{"a":1.}', 'not a number'],
    ['{"a":+1}', 'expected a value'],
    ['{"a":NaN}', 'expected a value'],
    ['{"a":1,}', 'expected a name'],
    ['{"a":[1,]}', 'expected a value'],
    ['{"a"', 'ends too early'],
    ['{"a":"', 'ends too early'],
    ["{'a':1}", 'expected a name'],
    ['<html>', 'expected an object'],
  ])('refuses %j', async (text, reason) => {
    await expect(scan(text)).rejects.toThrow(reason);
    await expect(scan(text)).rejects.toThrow(CallError);
  });

  it.each([[[0xff]], [[0xc3, 0x28]], [[0xed, 0xa0, 0x80]], [[0xc0, 0xaf]], [[0xe2, 0x82]]])(
    'refuses a string with the bytes %j, which are no UTF-8',
    async (bytes) => {
      const body = Buffer.concat([Buffer.from('{"a":"'), Buffer.from(bytes), Buffer.from('"}')]);
      await expect(scanBody(body, NOTHING)).rejects.toThrow('must be UTF-8');
    },
  );

  it('reads characters that stand across the slices it works in', async () => {
    for (let shift = 0; shift < 4; shift += 1) {
      const value = 'a'.repeat(shift) + '😀é€'.repeat(60_000);
      const body = Buffer.from(JSON.stringify({ value }));
      const { members } = await scanBody(body, NOTHING);
      expect(members.get('value')?.span).toEqual({ start: 9, end: body.length - 1 });
    }
  });

  it.each([
    ['{"model":1,"model":2}', 'model'],
    ['{"model":1,"mo\\u0064el":2}', 'model'],
    ['{"__proto__":1,"__proto__":2}', '__proto__'],
    ['{"":1,"":2}', ''],
    ['{"\\ud83d\\ude00":1,"😀":2}', '😀'],
  ])('refuses %s, which names a field twice', async (text, name) => {
    await expect(scan(text)).rejects.toThrow(`${name}: is given twice`);
  });

  it('refuses a watched place named twice, also by its two spellings', async () => {
    await expect(scan('{"g":{"maxOut":1,"max_out":2}}', 'g.maxOut|max_out')).rejects.toThrow(
      'g.maxOut: is given twice',
    );
    await expect(scan('{"genC":{},"gen_c":{}}', 'genC|gen_c.x')).rejects.toThrow('gen_c: is given twice');
    await expect(scan('{"g":[{"m":1},{"m":2}]}', 'g[].m')).resolves.toBeDefined();
  });

  it('takes __proto__ and constructor for data', async () => {
    const { members } = await scan('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}');
    expect([...members.keys()]).toEqual(['__proto__', 'constructor']);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it('holds to its bounds', async () => {
    const deep = (levels: number) => `{"a":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`;
    await expect(scan(deep(200))).resolves.toBeDefined();
    await expect(scan(deep(201))).rejects.toThrow('deeper than 200');
    await expect(scan(deep(100_000))).rejects.toThrow('deeper than 200');

    const names = (count: number) => `{${Array.from({ length: count }, (_, i) => `"n${i}":0`).join()}}`;
    await expect(scan(names(1_000))).resolves.toBeDefined();
    await expect(scan(names(1_001))).rejects.toThrow('more than 1000 fields');
    await expect(scan(`{"a":[${'{"x":1},'.repeat(249_999)}1]}`)).resolves.toBeDefined();
    await expect(scan(`{"a":[${'{"x":1},'.repeat(250_000)}1]}`)).rejects.toThrow('more than 250000 members');
    await expect(scan(`{"${'n'.repeat(1_025)}":1}`)).rejects.toThrow('a name has more than');
    expect(() => readValue(Buffer.alloc(70_000), { start: 0, end: 66_000 }, 'model')).toThrow(
      'model: is too long',
    );
  });

  it('gives way to others while it reads a large body', async () => {
    for (const text of [`{"a":"${'x'.repeat(30_000_000)}"}`, `{"a":[${'1,'.repeat(2_000_000)}1]}`]) {
      let turns = 0;
      const timer = setInterval(() => (turns += 1), 0);
      await scanBody(Buffer.from(text), NOTHING);
      clearInterval(timer);
      expect(turns).toBeGreaterThan(0);
    }
  });
});

/** Documents and mutations of them, the same in every run. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

const STRINGS = [
  '',
  'model',
  'é€😀',
  '\\u0041\\n',
  '\\ud83d\\ude00',
  '\\ud800',
  '\\"\\\\\\/',
  'a b',
  '__proto__',
];
const NUMBERS = ['0', '-0', '12', '-3.25', '1e9', '1E-2', '9007199254740993', '0.1e+1'];

function document(random: (below: number) => number, depth: number): string {
  const space = ['', '', ' ', '\n\t', '\r'][random(5)] ?? '';
  const string = () => `"${STRINGS[random(STRINGS.length)] ?? ''}${random(30)}"`;
  const kind = depth === 0 ? 6 : random(depth > 4 ? 5 : 8);
  if (kind < 2) return space + string();
  if (kind === 2) return `${NUMBERS[random(NUMBERS.length)]}${space}`;
  if (kind < 5) return ['true', 'false', 'null'][random(3)] ?? '';
  const items = Array.from({ length: random(5) }, () => document(random, depth + 1));
  if (kind === 7) return `[${items.join(`${space},`)}${space}]`;
  return `{${items.map((item) => `${space}${string()}${space}:${item}`).join(',')}${space}}`;
}

function mutate(bytes: Buffer, random: (below: number) => number): Buffer {
  const at = random(bytes.length);
  const noise = Buffer.from('{}[],:"\\0123eE+-.tfn /\u0001\u00ff', 'latin1');
  const kind = random(5);
  if (kind === 0) return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)]);
  if (kind === 1) return bytes.subarray(0, at);
  const other = noise.subarray(random(noise.length)).subarray(0, 1);
  if (kind === 2) return Buffer.concat([bytes.subarray(0, at), other, bytes.subarray(at)]);
  if (kind === 3) return Buffer.concat([bytes.subarray(0, at), other, bytes.subarray(at + 1)]);
  const from = random(bytes.length);
  return Buffer.concat([bytes, bytes.subarray(from, from + 4)]);
}

function parsed(bytes: Buffer): { value: unknown } | undefined {
  if (!isUtf8(bytes)) return undefined;
  try {
    return { value: JSON.parse(bytes.toString()) as unknown };
  } catch {
    return undefined;
  }
}

class NameCount implements JsonListener {
  depth = 0;
  top = 0;
  text: string[] = [];
  name(_token: JsonToken): void {
    if (this.depth === 1) this.top += 1;
  }
  scalar(kind: string, token: JsonToken): void {
    this.text.push(
      `${kind} ${token.decodedBytes} ${Buffer.from(token.bytes.subarray(token.start, token.end)).toString()}`,
    );
  }
  open(): void {
    this.depth += 1;
  }
  close(): void {
    this.depth -= 1;
  }
}

describe('scanning 6,000 made and mutated documents', () => {
  it('agrees with JSON.parse on each, and on the value of each member', async () => {
    const random = randomOf(20_251_122);
    let valid = 0;
    let twice = 0;
    for (let round = 0; round < 6_000; round += 1) {
      let body: Buffer = Buffer.from(document(random, 0));
      for (let times = random(3); times > 0 && body.length > 0; times -= 1) body = mutate(body, random);
      const expected = parsed(body);
      const isObject =
        expected !== undefined && typeof expected.value === 'object' && !Array.isArray(expected.value);
      const told = await scanBody(body, NOTHING).catch((error: unknown) => error as CallError);

      if (told instanceof CallError) {
        if (!told.message.endsWith('is given twice')) {
          expect([body.toString(), isObject && expected.value !== null]).toEqual([body.toString(), false]);
          continue;
        }
        if (!isObject) continue;
        const count = new NameCount();
        new JsonMachine(count, { depth: 200, names: 1e9 }).push(body, 0, body.length);
        expect(Object.keys(expected.value as object).length).toBeLessThan(count.top);
        twice += 1;
        continue;
      }
      expect([body.toString(), isObject]).toEqual([body.toString(), true]);
      const value = expected?.value as Record<string, unknown>;
      expect([...told.members.keys()].sort()).toEqual(Object.keys(value).sort());
      for (const [name, { span }] of told.members) {
        expect(readValue(body, span, name)).toEqual(Object.getOwnPropertyDescriptor(value, name)?.value);
      }
      valid += 1;
    }
    expect(valid).toBeGreaterThan(1_500);
    expect(twice).toBeGreaterThan(10);
  });

  it('says the same wherever the document is cut into pieces', () => {
    const random = randomOf(7);
    for (let round = 0; round < 1_500; round += 1) {
      let body: Buffer = Buffer.from(document(random, 0));
      if (random(2) === 0) body = mutate(body, random);
      const whole = new NameCount();
      const one = new JsonMachine(whole, { depth: 200, names: 1e9 });
      one.push(body, 0, body.length);
      const pieces = new NameCount();
      const many = new JsonMachine(pieces, { depth: 200, names: 1e9 });
      for (let at = 0; at < body.length;) {
        const end = Math.min(at + 1 + random(4), body.length);
        const piece = Buffer.from(body.subarray(at, end));
        many.push(piece, 0, piece.length);
        at = end;
      }
      expect([many.done, many.problem?.reason, pieces.text]).toEqual([
        one.done,
        one.problem?.reason,
        whole.text,
      ]);
    }
  });
});
