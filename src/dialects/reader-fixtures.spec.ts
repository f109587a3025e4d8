import { readFileSync } from 'node:fs';
import { anthropicReader } from './anthropic-reader.ts';
import { type AnswerReader, type Framing, NO_USAGE, type Operation, type Usage } from './dialect.ts';
import { geminiReader } from './gemini-reader.ts';

/** Recorded answers (each with its source beside it) and, by hand, what a reader must have seen in them. */
interface Expected {
  readonly file: string;
  readonly operation?: Operation;
  readonly usage: Partial<Usage>;
  readonly generatedBytes: number;
  readonly reported?: false;
  readonly complete?: false;
  readonly failure?: AnswerReader['failure'];
}

const FIXTURES: readonly Expected[] = [
  { file: 'anthropic-text.sse', usage: { inputTokens: 25, outputTokens: 15 }, generatedBytes: 7 + 16 },
  {
    file: 'anthropic-tool-use.sse',
    usage: { inputTokens: 472, outputTokens: 89 },
    generatedBytes: 22 + 12 + 28,
  },
  {
    file: 'anthropic-thinking-cache.sse',
    usage: {
      inputTokens: 2048,
      cacheReadTokens: 1800,
      cacheWrite5mTokens: 148,
      cacheWrite1hTokens: 100,
      outputTokens: 503,
      reasoningTokens: 300,
    },
    generatedBytes: 19 + 9,
  },
  {
    file: 'anthropic-web-search.sse',
    usage: { inputTokens: 10682, outputTokens: 510, serverTools: { web_search_requests: 1 } },
    generatedBytes: 14 + 29 + 12,
  },
  {
    file: 'anthropic-overloaded.sse',
    usage: { inputTokens: 25, outputTokens: 1 },
    generatedBytes: 3,
    complete: false,
    failure: { type: 'overloaded_error', message: 'Overloaded', status: 529 },
  },
  {
    file: 'anthropic-compaction.sse',
    usage: { inputTokens: 203_000, outputTokens: 4_500 },
    generatedBytes: 9,
  },
  {
    file: 'anthropic-message.json',
    usage: {
      inputTokens: 2095,
      cacheReadTokens: 2051,
      cacheWrite5mTokens: 2051,
      outputTokens: 503,
      reasoningTokens: 20,
      serverTools: { web_search_requests: 2, web_fetch_requests: 1 },
    },
    generatedBytes: 3 + 20 + 49,
  },
  { file: 'anthropic-count.json', operation: 'count', usage: {}, generatedBytes: 0 },
  { file: 'gemini-text.sse', usage: { inputTokens: 8, outputTokens: 11 }, generatedBytes: 9 + 11 },
  {
    file: 'gemini-thinking-tools.sse',
    usage: { inputTokens: 430, cacheReadTokens: 600, outputTokens: 95, reasoningTokens: 75 },
    generatedBytes: 21 + 33,
  },
  { file: 'gemini-array.json', usage: { inputTokens: 8, outputTokens: 11 }, generatedBytes: 9 + 11 },
  { file: 'gemini-blocked.json', usage: { inputTokens: 9 }, generatedBytes: 0 },
  {
    file: 'gemini-error-array.json',
    usage: {},
    generatedBytes: 0,
    reported: false,
    complete: false,
    failure: {
      type: 'UNAVAILABLE',
      message: 'The model is overloaded. Please try again later.',
      status: 503,
    },
  },
  {
    file: 'gemini-error.sse',
    usage: { inputTokens: 8 },
    generatedBytes: 9,
    complete: false,
    failure: {
      type: 'RESOURCE_EXHAUSTED',
      message: 'Resource has been exhausted (e.g. check quota).',
      status: 429,
    },
  },
  { file: 'gemini-image.json', usage: { inputTokens: 7, outputTokens: 1290 }, generatedBytes: 6 },
  { file: 'gemini-candidates.sse', usage: { inputTokens: 4, outputTokens: 3 }, generatedBytes: 8 },
  { file: 'gemini-count.json', operation: 'count', usage: {}, generatedBytes: 0 },
  { file: 'gemini-embed.json', operation: 'batch-embed', usage: {}, generatedBytes: 0, reported: false },
];

const folder = new URL('../../test/fixtures/dialects/', import.meta.url);

function bytesOf(file: string): Buffer {
  return readFileSync(new URL(file, folder));
}

function framingOf(file: string): Framing {
  if (file.endsWith('.sse')) return 'sse';
  return file.includes('array') ? 'json-array' : 'json';
}

function readerFor({ file, operation = 'generate' }: Expected): AnswerReader {
  return (file.startsWith('gemini') ? geminiReader : anthropicReader)(operation, framingOf(file));
}

function read(fixture: Expected, pieces: readonly Uint8Array[]): object {
  const reader = readerFor(fixture);
  for (const piece of pieces) reader.push(piece);
  reader.finish();
  reader.finish();
  const { usage, reported, suspicious, lost, complete, failure, generatedBytes } = reader;
  return { usage, reported, suspicious, lost, complete, failure, generatedBytes };
}

function expectation(fixture: Expected): object {
  return {
    usage: { ...NO_USAGE, ...fixture.usage },
    reported: fixture.reported ?? true,
    suspicious: false,
    lost: false,
    complete: fixture.complete ?? true,
    failure: fixture.failure,
    generatedBytes: fixture.generatedBytes,
  };
}

/** The same bytes in other clothes: the line ends of SSE may be any. */
function variants(fixture: Expected): Buffer[] {
  const bytes = bytesOf(fixture.file);
  if (framingOf(fixture.file) !== 'sse') return [bytes];
  const text = bytes.toString().replaceAll('\r\n', '\n');
  return ['\n', '\r', '\r\n'].map((end) => Buffer.from(text.replaceAll('\n', end)));
}

describe.each(FIXTURES)('the recorded answer $file', (fixture) => {
  it('is read as it stands', () => {
    expect(read(fixture, [bytesOf(fixture.file)])).toEqual(expectation(fixture));
  });

  it('is read the same with any line ends, cut at any byte', () => {
    const expected = JSON.stringify(read(fixture, [bytesOf(fixture.file)]));
    for (const bytes of variants(fixture)) {
      for (let cut = 0; cut <= bytes.length; cut += 1) {
        const told = JSON.stringify(read(fixture, [bytes.subarray(0, cut), bytes.subarray(cut)]));
        if (told !== expected) throw new Error(`cut at ${cut}: ${told}`);
      }
      const single = Array.from(bytes, (byte) => Uint8Array.of(byte));
      expect(JSON.stringify(read(fixture, single))).toBe(expected);
    }
  });

  it('is complete only at its own end', () => {
    const bytes = bytesOf(fixture.file);
    if (fixture.complete === false) return;
    const text = bytes.toString('latin1').trimEnd();
    const last = framingOf(fixture.file) === 'sse' ? text.lastIndexOf('data:') : text.length - 1;
    expect(read(fixture, [bytes.subarray(0, last)])).toMatchObject({ complete: false });
  });
});

describe('standing between two frames', () => {
  it.each(['\n', '\r', '\r\n'])('is known at every byte of an event stream with line ends %j', (end) => {
    const text = bytesOf('anthropic-text.sse').toString('latin1').replaceAll('\n', end);
    const reader = anthropicReader('generate', 'sse');
    const told: boolean[] = [reader.atBoundary];
    const right: boolean[] = [true];
    for (let i = 0; i < text.length; i += 1) {
      reader.push(Uint8Array.of(text.charCodeAt(i)));
      told.push(reader.atBoundary);
      right.push(text.slice(0, i + 1).endsWith(end + end));
    }
    expect(told).toEqual(right);
  });

  it('is known at every byte of a streamed array', () => {
    const bytes = bytesOf('gemini-array.json');
    const reader = geminiReader('generate', 'json-array');
    expect(reader.atBoundary).toBe(true);
    for (let i = 0; i < bytes.length; i += 1) {
      reader.push(bytes.subarray(i, i + 1));
      const appended = `${bytes.toString('utf8', 0, i + 1)},{"error":1}]`;
      let fits = true;
      try {
        const items = JSON.parse(appended) as Record<string, unknown>[];
        fits = items[items.length - 1]?.['error'] === 1;
      } catch {
        fits = false;
      }
      expect([i, reader.atBoundary]).toEqual([i, fits]);
    }
  });

  it('is never so inside a JSON document', () => {
    const reader = anthropicReader('generate', 'json');
    expect(reader.atBoundary).toBe(false);
    reader.push(bytesOf('anthropic-message.json'));
    expect(reader.atBoundary).toBe(false);
  });
});
