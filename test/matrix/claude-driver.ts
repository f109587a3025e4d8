import type { APIError } from '@anthropic-ai/sdk';
import Anthropic from '@anthropic-ai/sdk';
import AnthropicBedrock from '@anthropic-ai/bedrock-sdk';
import { type Ask, type Driver, type MakeDriver, type Said, type Stop, stopOf } from './door.ts';

const STOPS: Readonly<Record<string, Stop>> = {
  end_turn: 'end',
  tool_use: 'tools',
  max_tokens: 'max',
  stop_sequence: 'stop-sequence',
  refusal: 'refusal',
};

type Message = Anthropic.MessageParam;
type Client = Pick<Anthropic, 'messages'>;

/** @anthropic-ai/sdk on the claude door. */
export const claudeDriver: MakeDriver = ({ url, key }) =>
  driverOf(new Anthropic({ baseURL: url, apiKey: key, maxRetries: 0 }));

/** @anthropic-ai/bedrock-sdk on the bedrock door's invoke. */
export const bedrockInvokeDriver: MakeDriver = ({ url, key }) =>
  driverOf(
    new AnthropicBedrock({
      baseURL: `${url}/bedrock`,
      apiKey: key,
      awsRegion: 'us-east-1',
      maxRetries: 0,
    }) as unknown as Client,
  );

function driverOf(client: Client): Driver {
  return {
    async say(ask) {
      const { body, messages } = bodyOf(ask);
      return said(await client.messages.create(body, { signal: ask.signal }), messages);
    },
    async stream(ask) {
      const { body, messages } = bodyOf(ask);
      const stream = client.messages.stream(body, { signal: ask.signal });
      stream.on('text', (piece) => ask.onText?.(piece));
      return said(await stream.finalMessage(), messages);
    },
    told(error) {
      const { status, message } = error as APIError;
      return { status, message };
    },
  };
}

function bodyOf(ask: Ask): { body: Anthropic.MessageCreateParamsNonStreaming; messages: Message[] } {
  const messages: Message[] = [...((ask.history as Message[] | undefined) ?? [])];
  const content: Anthropic.ContentBlockParam[] = (ask.results ?? []).map(({ call, output }) => ({
    type: 'tool_result',
    tool_use_id: call.id,
    content: output,
  }));
  if (ask.image !== undefined) {
    const { mediaType, data } = ask.image;
    content.push({ type: 'image', source: { type: 'base64', media_type: mediaType, data } });
  }
  if (ask.text !== undefined) content.push({ type: 'text', text: ask.text });
  messages.push({ role: 'user', content });
  const body = {
    model: ask.model,
    max_tokens: ask.maxTokens ?? 4096,
    messages,
    ...(ask.system && { system: ask.system }),
    ...(ask.tools && {
      tools: ask.tools.map(({ name, description, schema }) => ({
        name,
        description,
        input_schema: schema as Anthropic.Tool.InputSchema,
      })),
    }),
    ...(ask.stop && { stop_sequences: [...ask.stop] }),
    ...(ask.thinks && { thinking: { type: 'enabled' as const, budget_tokens: 1024 } }),
    ...(ask.schema && { output_config: { format: { type: 'json_schema' as const, schema: ask.schema } } }),
  };
  return { body, messages };
}

function said(message: Anthropic.Message, messages: readonly Message[]): Said {
  const { usage } = message;
  const cached = usage.cache_read_input_tokens ?? 0;
  return {
    text: message.content.map((block) => (block.type === 'text' ? block.text : '')).join(''),
    calls: message.content.flatMap((block) =>
      block.type === 'tool_use' ? { id: block.id, name: block.name, input: block.input } : [],
    ),
    stop: stopOf(STOPS, message.stop_reason),
    usage: {
      input: usage.input_tokens + cached + (usage.cache_creation_input_tokens ?? 0),
      cached,
      output: usage.output_tokens,
    },
    history: [...messages, { role: 'assistant', content: message.content }],
  };
}
