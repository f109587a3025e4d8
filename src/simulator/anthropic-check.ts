import { isRecord, listOf, Refusal, textOf, type Exchange } from './exchange.ts';
import { signatureFits } from './speech.ts';

/** What the Messages API refuses by itself, in the order and the words clients meet. */

export const VERSIONS: readonly string[] = ['2023-06-01', '2026-10-21'];

/** Top-level fields of a request, from the type definitions of @anthropic-ai/sdk 1.12 (beta ones included). */
const FIELDS = new Set(
  `model messages max_tokens billing_policy cache_control compaction container context_management diagnostics
   fallback_credit_token fallbacks inference_geo mcp_servers metadata output_config output_format service_tier speed
   stop_sequences stream system temperature thinking thread tool_choice tools top_k top_p user_profile_id
   workspace_id`.split(/\s+/),
);

/** The version a request names. @throws Refusal */
export function versionOf(exchange: Exchange): string {
  const version = exchange.headers['anthropic-version'];
  if (version === undefined) throw invalid('anthropic-version: header is required');
  if (typeof version !== 'string' || !VERSIONS.includes(version)) {
    throw invalid(`anthropic-version: "${String(version)}" is not a valid version`);
  }
  return version;
}

/** The body of `messages` or `count_tokens`, found sound. @throws Refusal naming the field */
export function checkedBody(exchange: Exchange, counting: boolean): Record<string, unknown> {
  const body = exchange.json;
  if (!isRecord(body)) throw invalid('The request body is not valid JSON: expected an object');
  for (const name of counting ? ['model', 'messages'] : ['model', 'max_tokens', 'messages']) {
    if (body[name] === undefined) throw invalid(`${name}: Field required`);
  }
  for (const name of Object.keys(body)) {
    const known = FIELDS.has(name) && !(counting && (name === 'max_tokens' || name === 'stream'));
    if (!known) throw invalid(`${name}: Extra inputs are not permitted`);
  }
  if (typeof body['model'] !== 'string') throw invalid('model: Input should be a valid string');
  if (!counting && !isCount(body['max_tokens'])) {
    throw invalid('max_tokens: Input should be a valid integer, greater than or equal to 1');
  }
  if (body['stream'] !== undefined && typeof body['stream'] !== 'boolean') {
    throw invalid('stream: Input should be a valid boolean');
  }
  checkSampling(body, versionOf(exchange));
  checkThinking(body);
  checkTools(body);
  checkMessages(body, versionOf(exchange), exchange.seed);
  return body;
}

function checkSampling(body: Record<string, unknown>, version: string): void {
  for (const name of ['temperature', 'top_p', 'top_k']) {
    const value = body[name];
    if (value === undefined) continue;
    if (version === '2026-10-21') throw invalid(`${name}: not supported with anthropic-version 2026-10-21`);
    const most = name === 'top_k' ? Infinity : 1;
    if (typeof value !== 'number' || value < 0 || value > most) throw invalid(`${name}: range: 0..${most}`);
  }
}

function checkThinking(body: Record<string, unknown>): void {
  const { thinking } = body;
  if (thinking === undefined) return;
  const type = isRecord(thinking) ? thinking['type'] : undefined;
  if (!isRecord(thinking) || !['enabled', 'adaptive', 'disabled', 'between_tools'].includes(String(type))) {
    throw invalid('thinking.type: Input tag does not match any of the expected tags');
  }
  if (type === 'enabled' || type === 'adaptive') checkBesideThinking(body);
  if (type !== 'enabled') return;
  const budget = thinking['budget_tokens'];
  if (typeof budget !== 'number' || budget < 1024) {
    throw invalid('thinking.enabled.budget_tokens: Input should be greater than or equal to 1024');
  }
  if (typeof body['max_tokens'] === 'number' && budget >= body['max_tokens']) {
    throw invalid('`max_tokens` must be greater than `thinking.budget_tokens`');
  }
}

/** platform.claude.com, "Extended thinking": neither other sampling nor a tool that is forced. */
function checkBesideThinking(body: Record<string, unknown>): void {
  const { temperature, top_p, top_k, tool_choice } = body;
  if (temperature !== undefined && temperature !== 1) {
    throw invalid('`temperature` may only be set to 1 when thinking is enabled or in adaptive mode.');
  }
  if (top_k !== undefined) throw invalid('`top_k` must be unset when thinking is enabled.');
  if (typeof top_p === 'number' && top_p < 0.95) {
    throw invalid('`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled.');
  }
  if (isRecord(tool_choice) && ['any', 'tool'].includes(String(tool_choice['type']))) {
    throw invalid('Thinking may not be enabled when tool_choice forces tool use.');
  }
}

function checkTools(body: Record<string, unknown>): void {
  for (const [n, tool] of listOf(body['tools']).entries()) {
    const name = isRecord(tool) ? tool['name'] : undefined;
    const toolset = isRecord(tool) && typeof tool['type'] === 'string' && tool['type'] !== 'custom';
    if (toolset && name === undefined) continue;
    if (typeof name !== 'string' || !/^[a-zA-Z0-9_-]{1,128}$/.test(name)) {
      throw invalid(`tools.${n}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'`);
    }
  }
}

function checkMessages(body: Record<string, unknown>, version: string, seed: string): void {
  const messages = body['messages'];
  if (!Array.isArray(messages)) throw invalid('messages: Input should be a valid array');
  if (messages.length === 0) throw invalid('messages: at least one message is required');
  let asked: ReadonlySet<string> = new Set();
  for (const [n, message] of messages.entries()) {
    const where = `messages.${n}`;
    if (!isRecord(message)) throw invalid(`${where}: Input should be an object`);
    const { role, content } = message;
    if (role !== 'user' && role !== 'assistant' && role !== 'system') {
      throw invalid(`${where}: Unexpected role "${String(role)}". Allowed roles are "user" or "assistant"`);
    }
    if (content === undefined) throw invalid(`${where}.content: Field required`);
    const blocks = typeof content === 'string' ? [{ type: 'text', text: content }] : listOf(content);
    const answered = new Set<string>();
    const asks = new Set<string>();
    for (const [k, block] of blocks.entries()) {
      if (!isRecord(block)) throw invalid(`${where}.content.${k}: Input should be an object`);
      checkBlock(block, `${where}.content.${k}`, role, version, seed);
      if (block['type'] === 'tool_use') asks.add(String(block['id']));
      if (block['type'] === 'tool_result') answered.add(String(block['tool_use_id']));
    }
    if (role === 'system') continue;
    for (const id of answered) {
      if (!asked.has(id)) {
        throw invalid(`${where}.content: unexpected \`tool_use_id\` found in \`tool_result\` blocks: ${id}`);
      }
    }
    const open = [...asked].filter((id) => !answered.has(id));
    if (open.length > 0) {
      throw invalid(
        `messages.${n - 1}: \`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${open.join(', ')}`,
      );
    }
    asked = role === 'assistant' ? asks : new Set();
  }
}

function checkBlock(
  block: Record<string, unknown>,
  where: string,
  role: string,
  version: string,
  seed: string,
): void {
  const type = block['type'];
  if (typeof type !== 'string') throw invalid(`${where}.type: Field required`);
  if (type === 'text' && typeof block['text'] !== 'string')
    throw invalid(`${where}.text.text: Field required`);
  if (type === 'text' && block['text'] === '')
    throw invalid('messages: text content blocks must be non-empty');
  if (type === 'thinking' && !signatureFits(seed, block['signature'], textOf(block['thinking']))) {
    throw invalid(`${where}: Invalid \`signature\` in \`thinking\` block`);
  }
  if (type === 'redacted_thinking' && !signatureFits(seed, block['data'], 'redacted')) {
    throw invalid(`${where}: Invalid \`data\` in \`redacted_thinking\` block`);
  }
  if (version !== '2026-10-21') return;
  if (type === 'document' && role === 'assistant')
    throw invalid(`${where}: document blocks are not allowed here`);
  const { citations } = block;
  if (type === 'text' && role === 'user' && Array.isArray(citations) && citations.length > 0) {
    throw invalid(`${where}.citations: not supported in user messages`);
  }
}

function isCount(value: unknown): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1;
}

function invalid(message: string): Refusal {
  return new Refusal(400, message);
}
