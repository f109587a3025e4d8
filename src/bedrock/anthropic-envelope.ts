import type { Call, Span } from '../dialects/dialect.ts';
import { compilePaths } from '../dialects/json-paths.ts';
import { readValue, scanBody } from '../dialects/json-scan.ts';
import { RelayError } from '../errors/relay-error.ts';
import type { Envelope } from '../upstream/upstream.ts';
import { betasFor } from './bedrock-betas.ts';
import { takesVersion2026 } from './bedrock-models.ts';

/**
 * A call of the Messages API as InvokeModel takes it: the model and the wish to stream are in the path, version and betas
 * in the body (AWS Bedrock user guide, "Anthropic Claude Messages API"). The body's bytes stay but for these members.
 */

const NOTHING = compilePaths([]);
const MOVED = ['model', 'stream', 'anthropic_version', 'anthropic_beta'] as const;
const VERSION_2026 = '2026-10-21';
const VERSION_2023 = 'bedrock-2023-05-31';
const QUOTE = 0x22;
const COMMA = Buffer.from(',');

type Places = Readonly<Record<string, Span | undefined>>;

export async function anthropicEnvelope(call: Call, model: string): Promise<Envelope> {
  const { body, headers } = call;
  const places = await placesOf(call);
  const betas = betasFor([...listed(headers['anthropic-beta']), ...betasIn(body, places['anthropic_beta'])]);
  const given = places['anthropic_version'];
  const members = {
    anthropic_version:
      given === undefined ? versionFor(call, model) : readValue(body, given, 'anthropic_version'),
    ...(betas.taken.length > 0 && { anthropic_beta: betas.taken }),
    // CountTokens checks the body as InvokeModel would, which cannot do without (langchain-ai/langchain-aws pull 661).
    ...(call.operation === 'count' && !places['max_tokens'] && { max_tokens: leastTokens(body, places) }),
  };
  const pieces = [
    Buffer.from(JSON.stringify(members).slice(0, -1)),
    ...withoutMembers(
      body,
      MOVED.flatMap((name) => places[name] ?? []),
    ),
  ];
  return {
    headers: { accept: 'application/json', ...named(headers, 'user-agent') },
    body: call.operation === 'count' ? countBody(pieces) : pieces,
    edits: [
      'bedrock-envelope',
      ...(model === call.model ? [] : ['model']),
      ...(betas.edited ? ['betas'] : []),
    ],
  };
}

/** Where the members stand: as the door's reading found them, or looked for where the body is another by now. */
async function placesOf({ body, modelSpans, editSpans }: Call): Promise<Places> {
  if (editSpans !== undefined) return { ...editSpans, model: modelSpans[0] };
  const { members } = await scanBody(body, NOTHING);
  const names = [...MOVED, 'max_tokens', 'thinking'];
  return Object.fromEntries(names.map((name) => [name, members.get(name)?.span]));
}

/**
 * The object's bytes behind its other members: each member goes with the delimiter before it, and the opening brace of
 * the first that stays becomes a comma. The parts are views of the body.
 */
function withoutMembers(body: Buffer, values: readonly Span[]): Buffer[] {
  const open = body.indexOf('{');
  const cuts = values
    .map(({ start, end }) => ({ start: delimiterBefore(body, start), end }))
    .sort((a, b) => a.start - b.start);
  const parts: Buffer[] = cuts[0]?.start === open ? [] : [COMMA];
  let at = open + 1;
  for (const { start, end } of cuts) {
    if (start > at) parts.push(body.subarray(at, start));
    at = end;
  }
  return [...parts, body.subarray(at)];
}

/** The comma or brace before the member whose value begins at `value`; none of the names looked for holds a quote. */
function delimiterBefore(body: Buffer, value: number): number {
  const nameEnd = body.lastIndexOf(QUOTE, value - 1);
  let at = body.lastIndexOf(QUOTE, nameEnd - 1) - 1;
  while (body[at] !== 0x2c && body[at] !== 0x7b) at -= 1;
  return at;
}

function countBody(pieces: readonly Buffer[]): Buffer {
  const body = Buffer.concat(pieces).toString('base64');
  return Buffer.from(`{"input":{"invokeModel":{"body":"${body}"}}}`);
}

/** Thinking must fit into the tokens asked for. */
function leastTokens(body: Buffer, { thinking }: Places): number {
  if (thinking === undefined) return 1;
  const told = readValue(body, thinking, 'thinking') as { budget_tokens?: unknown } | null;
  const budget = told?.budget_tokens;
  return typeof budget === 'number' && Number.isSafeInteger(budget) && budget > 0 ? budget + 1 : 1;
}

function versionFor({ headers, model: name }: Call, model: string): string {
  const wished = headers['anthropic-version'] === VERSION_2026;
  return wished && takesVersion2026(model, name) ? VERSION_2026 : VERSION_2023;
}

function listed(header: string | undefined): string[] {
  return (header ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

function betasIn(body: Buffer, place: Span | undefined): string[] {
  if (place === undefined) return [];
  const value = readValue(body, place, 'anthropic_beta');
  if (Array.isArray(value) && value.every((name) => typeof name === 'string')) return value;
  throw new RelayError('call-invalid', 'anthropic_beta: must be a list of names');
}

function named(headers: Readonly<Record<string, string>>, name: string): Record<string, string> {
  const value = headers[name];
  return value === undefined ? {} : { [name]: value };
}
