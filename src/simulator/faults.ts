/**
 * What a rehearsal may ask for, and how it is asked: as an object in a plan, or as a directive inside the last
 * user message, `[[sim: latency=50 split=1 say="hello"]]`. One table names every directive and the form of its
 * value, so that a misspelt one is refused instead of doing nothing.
 */

/** A place in the answer: before the headers, after k events (frames), after n body bytes, or after the last byte. */
export type Point = 'head' | 'tail' | number | `${number}b`;

/** Every n bytes, at these offsets of the body, inside each multi-byte character, or after each CR and each LF. */
export type Split = number | readonly number[] | 'utf8' | 'crlf';

export type UsageVariant =
  | 'missing'
  | 'null'
  | 'zero'
  | 'negative'
  | 'huge'
  | 'float'
  | 'string'
  | 'repeated'
  | 'falling'
  | 'output-only'
  | 'last-chunk'
  | 'every-chunk';

/** Directive names are these in kebab-case (`retryAfter` is `retry-after`); README.md tells each. Times in ms. */
export interface Fault {
  readonly latency?: number;
  readonly every?: number;
  readonly drip?: number;
  readonly split?: Split;

  readonly hang?: Point;
  readonly hangFor?: number;
  readonly reset?: Point;
  readonly end?: Point;
  readonly fin?: Point;
  readonly cut?: Point;
  readonly idleClose?: number;
  readonly beforeBody?: boolean;

  readonly status?: number;
  readonly times?: number;
  readonly type?: string;
  readonly message?: string;
  readonly code?: string;
  readonly reason?: string;
  readonly retryAfter?: string;
  readonly retryAfterMs?: string;
  readonly shouldRetry?: string;
  readonly unified?: string;
  readonly unifiedReset?: number;
  readonly quota?: string;
  readonly retryDelay?: string;
  readonly echo?: boolean;
  readonly error?: number;
  readonly badCrc?: number;
  readonly giant?: number;
  readonly torn?: number;
  readonly expiresIn?: number;

  readonly html?: boolean;
  readonly wrongType?: string;
  readonly empty?: boolean;
  readonly badJson?: boolean;
  readonly redirect?: string;
  readonly large?: number;
  readonly endlessLine?: number;
  readonly gzip?: boolean;
  readonly length?: boolean;
  readonly untilClose?: boolean;

  readonly headers?: Readonly<Record<string, string>>;
  readonly setCookie?: boolean;
  readonly hopByHop?: boolean;
  readonly hugeHeaders?: number;
  readonly echoHeader?: boolean;

  readonly marker?: string;
  readonly say?: string;
  readonly thinking?: string;
  readonly showThoughts?: string;
  readonly deltas?: number;
  readonly tool?: string;
  readonly stop?: string;
  readonly finish?: string;
  readonly block?: string;
  readonly redacted?: boolean;
  readonly serverTools?: number;
  readonly usage?: UsageVariant;
  readonly inputTokens?: number;
  readonly outputTokens?: number;
  readonly thinkingTokens?: number;
  readonly cachedTokens?: number;
  readonly toolPromptTokens?: number;
  readonly pings?: number;
  readonly unknownEvents?: number;
  readonly comments?: boolean;
  readonly bom?: boolean;
  readonly eol?: 'lf' | 'cr' | 'crlf';
}

/** The directive or plan cannot be read; the message names the directive. */
export class FaultError extends Error {}

type Form = 'count' | 'bytes' | 'point' | 'split' | 'flag' | 'text' | 'type' | 'headers' | readonly string[];

const FORMS: Readonly<Record<keyof Fault, Form>> = {
  latency: 'count',
  every: 'count',
  drip: 'count',
  split: 'split',
  hang: 'point',
  hangFor: 'count',
  reset: 'point',
  end: 'point',
  fin: 'point',
  cut: 'point',
  idleClose: 'count',
  beforeBody: 'flag',
  status: 'count',
  times: 'count',
  type: 'text',
  message: 'text',
  code: 'text',
  reason: 'text',
  retryAfter: 'text',
  retryAfterMs: 'text',
  shouldRetry: 'text',
  unified: 'text',
  unifiedReset: 'count',
  quota: 'text',
  retryDelay: 'text',
  echo: 'flag',
  error: 'count',
  badCrc: 'count',
  giant: 'count',
  torn: 'count',
  expiresIn: 'count',
  html: 'flag',
  wrongType: 'type',
  empty: 'flag',
  badJson: 'flag',
  redirect: 'text',
  large: 'bytes',
  endlessLine: 'bytes',
  gzip: 'flag',
  length: 'flag',
  untilClose: 'flag',
  headers: 'headers',
  setCookie: 'flag',
  hopByHop: 'flag',
  hugeHeaders: 'bytes',
  echoHeader: 'flag',
  marker: 'text',
  say: 'text',
  thinking: 'text',
  showThoughts: ['reasoning_content', 'reasoning'],
  deltas: 'count',
  tool: 'text',
  stop: 'text',
  finish: 'text',
  block: 'text',
  redacted: 'flag',
  serverTools: 'count',
  usage: [
    'missing',
    'null',
    'zero',
    'negative',
    'huge',
    'float',
    'string',
    'repeated',
    'falling',
    'output-only',
    'last-chunk',
    'every-chunk',
  ],
  inputTokens: 'count',
  outputTokens: 'count',
  thinkingTokens: 'count',
  cachedTokens: 'count',
  toolPromptTokens: 'count',
  pings: 'count',
  unknownEvents: 'count',
  comments: 'flag',
  bom: 'flag',
  eol: ['lf', 'cr', 'crlf'],
};

const UNITS: Readonly<Record<string, number>> = { '': 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 };

/** Reads every `[[sim: …]]` in the text; later ones win. @throws FaultError */
export function faultInText(text: string): Fault {
  const found: Record<string, unknown> = {};
  for (const [, inside] of text.matchAll(/\[\[sim:((?:"(?:[^"\\]|\\.)*"|[^"])*?)\]\]/gs)) {
    for (const word of (inside ?? '').matchAll(/([a-z][\w.-]*)(?:=("(?:[^"\\]|\\.)*"|[^\s"]+))?|(\S)/gi)) {
      const [, name, value, stray] = word;
      if (name === undefined) throw new FaultError(`sim directive: unexpected "${stray}"`);
      const plain = value?.startsWith('"') ? unquoted(value) : value;
      if (name.startsWith('header.')) {
        found['headers'] = { ...(found['headers'] as object), [name.slice(7)]: plain ?? '' };
      } else {
        found[name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())] = plain ?? true;
      }
    }
  }
  return checkFault(found);
}

/** The text as the model sees it: what a directive asks of the wire changes neither tokens nor ids. */
export function withoutDirectives(text: string): string {
  return text.includes('[[sim:') ? text.replace(/\[\[sim:[^]*?\]\]/g, '') : text;
}

/** Checks a plan's fault (from JSON or from text) and brings its values into their types. @throws FaultError */
export function checkFault(given: Readonly<Record<string, unknown>>): Fault {
  const fault: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(given)) {
    const form = Object.hasOwn(FORMS, name) ? FORMS[name as keyof Fault] : undefined;
    if (form === undefined) throw new FaultError(`sim directive "${name}" is not known`);
    if (value !== undefined) fault[name] = read(name, form, value);
  }
  return fault;
}

function read(name: string, form: Form, value: unknown): unknown {
  const wrong = (): never => {
    throw new FaultError(`sim directive "${name}" cannot be ${JSON.stringify(value)}`);
  };
  if (typeof form !== 'string') return form.includes(String(value)) ? value : wrong();
  switch (form) {
    case 'flag':
      return value === true || value === 'true' || value === '1' ? true : value === false ? false : wrong();
    case 'text':
      return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : wrong();
    case 'type':
      return value === true ? 'text/plain' : typeof value === 'string' ? value : wrong();
    case 'headers':
      return typeof value === 'object' && value !== null ? { ...value } : wrong();
    case 'count':
      return /^\d+(\.\d+)?$/.test(String(value)) ? Number(value) : wrong();
    case 'bytes': {
      const [, digits, unit] = /^(\d+)(kb|mb|gb)?$/i.exec(String(value)) ?? wrong();
      return Number(digits) * (UNITS[(unit ?? '').toLowerCase()] ?? 1);
    }
    case 'point':
      if (value === true || value === 'head' || value === 'tail') return value === true ? 'head' : value;
      if (/^\d+b$/.test(String(value))) return value;
      return /^\d+$/.test(String(value)) ? Number(value) : wrong();
    case 'split':
      if (value === 'utf8' || value === 'crlf') return value;
      if (Array.isArray(value)) return value.every((at) => Number.isInteger(at)) ? value : wrong();
      if (/^@\d+(,\d+)*$/.test(String(value))) return String(value).slice(1).split(',').map(Number);
      return /^[1-9]\d*$/.test(String(value)) ? Number(value) : wrong();
  }
}

function unquoted(value: string): string {
  try {
    return JSON.parse(value.replace(/\n/g, '\\n')) as string;
  } catch {
    throw new FaultError(`sim directive: ${value} is not a quoted string`);
  }
}
