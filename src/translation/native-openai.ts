import type { Call } from '../dialects/dialect.ts';
import { compilePaths } from '../dialects/json-paths.ts';
import { scanBody } from '../dialects/json-scan.ts';
import { unpackToolId } from './carried.ts';
import type { NativeCall } from './native-call.ts';
import { type Splice, splicedCall } from './splice.ts';
import { UsageFilter } from './usage-filter.ts';

const TOOL_IDS = compilePaths(['messages[].tool_call_id', 'messages[].tool_calls[].id']);

const ASKED = '"include_usage":true';

/**
 * Chat completions between two that speak them. A stream that would not tell its usage is asked to, and the chunk that
 * tells it is kept from the client; tool calls that another vendor made give back what they carry for that vendor.
 *
 * A compatible server that does not know `stream_options` ignores it, as it does any field; one that refuses unknown
 * fields answers 400 to every stream that does not ask for usage.
 */
export async function nativeOpenai(call: Call): Promise<NativeCall> {
  if (call.operation !== 'generate') return { call, edits: [] };
  const usage = call.framing === 'sse' ? askForUsage(call) : undefined;
  const ids = await plainToolIds(call);
  if (usage === undefined && ids.length === 0) return { call, edits: [] };
  return {
    call: splicedCall(call, usage === undefined ? ids : [...ids, usage]),
    edits: [...(usage === undefined ? [] : ['usage']), ...(ids.length === 0 ? [] : ['signature:foreign'])],
    ...(usage && { filter: () => new UsageFilter() }),
  };
}

/** Undefined: the client asks itself, or says something there that the upstream has to refuse. */
function askForUsage({ body, editSpans = {} }: Call): Splice | undefined {
  const options = editSpans['stream_options'];
  if (options === undefined) {
    const end = body.lastIndexOf('}');
    return { span: { start: end, end }, text: `,"stream_options":{${ASKED}}` };
  }
  const value = body.toString('utf8', options.start, options.end);
  if (value === 'null') return { span: options, text: `{${ASKED}}` };
  if (!value.startsWith('{')) return undefined;
  const included = editSpans['stream_options.include_usage'];
  if (included === undefined) {
    const start = options.start + 1;
    const empty = value.slice(1, -1).trim() === '';
    return { span: { start, end: start }, text: empty ? ASKED : `${ASKED},` };
  }
  const said = body.toString('utf8', included.start, included.end);
  return said === 'false' || said === 'null' ? { span: included, text: 'true' } : undefined;
}

async function plainToolIds({ body, carries }: Call): Promise<readonly Splice[]> {
  if (carries !== true) return [];
  const { found } = await scanBody(body, TOOL_IDS);
  return found.flatMap(({ kind, span }) => {
    if (kind !== 'string') return [];
    const id = JSON.parse(body.toString('utf8', span.start, span.end)) as string;
    const plain = unpackToolId(id).id;
    return plain === id ? [] : [{ span, text: JSON.stringify(plain) }];
  });
}
